"""RowStage takes rows of one statement on their way in: few stay in memory, many stream straight to Parquet.

Nothing is visible until the edit that carries them commits. Memory is bounded: past the limit the rows so far and
all that follow go to files whose `_seq` column holds ordinals 0, 1, ..; the commit gives them their base.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Final

import pyarrow as pa

from storage.catalog.schema import TableDef, TableKind
from storage.clock import Clock
from storage.cold.file_names import load_file_name
from storage.cold.file_store import FileStores
from storage.cold.parquet import ColdWriter, layout_of
from storage.errors import LimitExceeded
from storage.failpoints import reach
from storage.settings import StorageSettings
from storage.state.row_versions import with_seq
from storage.state.state import ColdFile

_FEW_ROWS: Final = 1024


@dataclass(frozen=True, slots=True)
class Staged:
    """Either `batches` (few rows; `batches_bytes`: what they hold) or `files` (many). `load_id` is 0 without files."""

    batches: tuple[pa.RecordBatch, ...] = ()
    batches_bytes: int = 0
    files: tuple[ColdFile, ...] = ()
    load_id: int = 0

    @property
    def rows(self) -> int:
        return sum(b.num_rows for b in self.batches) + sum(f.rows for f in self.files)


class RowStage:
    """Collects the checked rows of one statement. End it with `finish` or `abandon`."""

    def __init__(
        self,
        table: TableDef,
        file_stores: FileStores,
        settings: StorageSettings,
        clock: Clock,
        new_id: Callable[[], int],
    ) -> None:
        self._table = table
        self._file_stores = file_stores
        self._settings = settings
        self._clock = clock
        self._new_id = new_id
        self._batches: list[pa.RecordBatch] = []
        self._batches_bytes = 0
        self._buffers: set[int] = set()  # where those of the batches lie
        self._writer: ColdWriter | None = None
        self._finished: list[ColdFile] = []
        self.rows = 0

    @property
    def is_in_memory(self) -> bool:
        """No row went to a file so far."""
        return self._writer is None and not self._finished

    def append(self, batch: pa.RecordBatch) -> None:
        """Add rows (columns = the table's physical schema). Raises StorageUnavailable."""
        if batch.num_rows == 0:
            return
        if self.is_in_memory:
            self._keep(batch)
            return
        self._spill(batch)

    def finish(self) -> Staged:
        """No more rows. Raises StorageUnavailable."""
        if self.is_in_memory:
            return Staged(_combined(self._batches), self._batches_bytes)
        self._close_file()
        return Staged(files=tuple(self._finished), load_id=self._new_id())

    def abandon(self) -> None:
        """Forget the rows and remove their files."""
        self._batches.clear()
        if self._writer is not None:
            self._writer.abandon()
        for file in self._finished:
            self._file_stores.discard(file)

    def _keep(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._batches_bytes += self._held(batch)
        self.rows += batch.num_rows
        if self._table.name.is_temporary:
            check_temporary_bytes(self._batches_bytes, self._settings)
            return
        if self._batches_bytes <= self._settings.hot_statement_bytes_max:
            return
        if self._table.kind is TableKind.STREAM:
            raise LimitExceeded(
                f"the statement brings more than {self._settings.hot_statement_bytes_max} bytes "
                f"(storage.hot_statement_bytes_max) to stream table '{self._table.name}', whose events stay in memory; "
                "send them in smaller parts"
            )
        kept, self._batches = self._batches, []
        self.rows = 0
        for waiting in kept:
            self._spill(waiting)

    def _held(self, batch: pa.RecordBatch) -> int:
        """What the batch adds to what is in memory: slices of one array share their buffers."""
        if batch.num_rows <= _FEW_ROWS:
            return int(batch.nbytes)
        size = 0
        dictionaries = (column.dictionary for column in batch.columns if isinstance(column, pa.DictionaryArray))
        for buffer in chain.from_iterable(column.buffers() for column in (*batch.columns, *dictionaries)):
            if buffer is not None and buffer.address not in self._buffers:
                self._buffers.add(buffer.address)
                size += buffer.size
        return size

    def _spill(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._writer = self._new_writer()
        self._writer.write(with_seq(batch, self.rows))
        self.rows += batch.num_rows
        if self._writer.bytes >= self._settings.file_bytes_target:
            self._close_file()

    def _new_writer(self) -> ColdWriter:
        self._file_id = self._new_id()
        self._created_ms = self._clock.wall_ms()
        files, folder = self._file_stores.for_table(self._table)
        path = f"{folder}/{load_file_name(self._created_ms, self._file_id)}"
        layout = layout_of(self._table, self._settings.row_group_rows)
        return ColdWriter(files, path, self._table.physical_schema, layout)

    def _close_file(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._finished.append(writer.finish(self._file_id, self._table.version, self._created_ms))
            reach("load.after_file")


def check_temporary_bytes(found: int, settings: StorageSettings) -> None:
    """Raises LimitExceeded."""
    if found > settings.temporary_bytes_max:
        raise LimitExceeded(
            f"the temporary tables of the session would hold {found} bytes; the limit is "
            f"{settings.temporary_bytes_max} (storage.temporary_bytes_max): drop some, or use a table of the database",
            sqlstate="53200",
        )


def _combined(batches: list[pa.RecordBatch]) -> tuple[pa.RecordBatch, ...]:
    """One batch, so that one statement is one key on disk."""
    return (pa.concat_batches(batches),) if len(batches) > 1 else tuple(batches)
