"""ColdWriter and `read_rows` write and read Parquet files: the only importer of pyarrow.parquet.

Files hold `_seq` first, then the user columns under their physical names, in types Parquet can hold (see
`parquet_types`). Row groups of ~128k rows: measured 1.3x faster to scan than 1 M. Decimals as integers: else they scan
~2x slower. Page index, bloom filters on the primary key, page checksums beside the whole file's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.catalog.schema import SEQ, Column, TableDef
from storage.cold.encodings import DELTA, DICTIONARY, Encoding, encoding_of
from storage.cold.file_store import FileStore
from storage.cold.parquet_types import from_file_batch, to_file_batch
from storage.durable_files import HashingFile, disk_error
from storage.errors import Corruption
from storage.failpoints import reach
from storage.seq import SEQ_MAX
from storage.state.batch_rows import kept_rows, no_rows, sorted_rows
from storage.state.row_versions import SEQ_FIELD
from storage.state.state import ColdFile

READ_ROWS: Final = 1 << 16
READ_BYTES: Final = 32 << 20  # of a file, about, at once: rows may be wide
GROUP_BYTES_MAX: Final = 128 << 20  # a row group of wide rows ends early, so that memory is bounded
STAT_CHARACTERS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class ColdLayout:
    """How a table's files are laid out. Names are physical ones."""

    compression: str
    encoding: str
    row_group_rows: int
    sort_by: tuple[str, ...]
    key_columns: tuple[str, ...]


def layout_of(table: TableDef, row_group_rows: int) -> ColdLayout:
    """Sorted by the table's option, else by its primary key, else as the rows came (`_seq`)."""
    by_name = {c.name: c for c in table.columns}
    sort = tuple(by_name[n] for n in table.options.sort_by if n in by_name) or table.key_columns
    return ColdLayout(
        compression=table.options.compression,
        encoding=table.options.encoding,
        row_group_rows=row_group_rows,
        sort_by=tuple(c.physical_name for c in sort if _is_sortable(c)),
        key_columns=tuple(c.physical_name for c in table.key_columns if _can_bloom(c)),
    )


class ColdWriter:
    """Writes one file. `write` as often as needed, then `finish` or `abandon`."""

    def __init__(self, files: FileStore, path: str, schema: pa.Schema, layout: ColdLayout) -> None:
        """schema: the physical schema of the rows, without `_seq`."""
        self._files = files
        self._path = path
        self._layout = layout
        self._schema = pa.schema([SEQ_FIELD, *schema])
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._seq_min, self._seq_max = SEQ_MAX, -1
        self.rows = 0
        files.hold(path)
        reach("file.before_write")
        try:
            self._sink = HashingFile(files.part(path), files.sync)
        except BaseException:
            files.release(path)
            raise
        self._writer: Any = None  # made for the first rows, which say what encodings fit

    @property
    def bytes(self) -> int:
        """Written so far, without what waits for its row group."""
        return self._sink.bytes

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows: `_seq` in front, then the physical columns. Raises StorageUnavailable."""
        step = self._layout.row_group_rows
        for offset in range(0, batch.num_rows, step):
            self._wait(batch.slice(offset, step))

    def _wait(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        self.rows += batch.num_rows
        if self._waiting_rows >= self._layout.row_group_rows or self._waiting_bytes >= GROUP_BYTES_MAX:
            self._write_group()

    def finish(self, file_id: int, schema_version: int, created_ms: int) -> ColdFile:
        """Publish the file and describe it. Raises StorageUnavailable."""
        try:
            self._write_group()
            self._writer_for(to_file_batch(no_rows(self._schema))).close()
            self._sink.close()
            file = self._described(file_id, schema_version, created_ms)
            self._files.publish(self._path, self._sink.checksum)
            return file
        except BaseException as error:
            self.abandon()
            if isinstance(error, OSError):
                raise disk_error("a cold file could not be written", error) from None
            raise

    def abandon(self) -> None:
        """Remove what was written. Safe to repeat."""
        self._waiting.clear()
        self._sink.give_up()
        if self._writer is not None:
            with suppress(Exception):  # it wants to write the file's end; there is no file any more
                self._writer.close()
        self._files.discard(self._path)

    def _write_group(self) -> None:
        if not self._waiting:
            return
        rows = pa.Table.from_batches(self._waiting).combine_chunks()
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0
        seqs = rows.column(SEQ).to_numpy()
        self._seq_min = min(self._seq_min, int(seqs.min()))
        self._seq_max = max(self._seq_max, int(seqs.max()))
        try:
            for part in rows.to_batches():
                batch = sorted_rows(part, self._layout.sort_by) if self._layout.sort_by else part
                whole = to_file_batch(batch)
                self._writer_for(whole).write_batch(whole, row_group_size=self._layout.row_group_rows * 2)
        except OSError as error:
            raise disk_error("a cold file could not be written", error) from None
        reach("file.mid_write")

    def _writer_for(self, rows: pa.RecordBatch) -> Any:
        if self._writer is None:
            self._writer = _parquet_writer(self._sink, rows, self._layout)
        return self._writer

    def _described(self, file_id: int, schema_version: int, created_ms: int) -> ColdFile:
        metadata = pq.read_metadata(self._files.part(self._path))
        return ColdFile(
            file_id=file_id,
            path=self._path,
            rows=self.rows,
            bytes=self._sink.bytes,
            seq_min=self._seq_min,
            seq_max=self._seq_max,
            schema_version=schema_version,
            checksum=self._sink.checksum,
            column_names=tuple(self._schema.names[1:]),
            column_stats=_column_stats(metadata, self._schema.names[1:]),
            column_bytes=_column_bytes(metadata, self._schema.names[1:]),
            created_ms=created_ms,
            storage=self._files.storage,
        )


def read_rows(files: FileStore, file: ColdFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """A file's rows: `_seq` raised by its base, then those columns of `schema` (physical) that the file has.

    Values come in the types of `schema`. Raises Corruption, StorageUnavailable.
    """
    with files.source(file.path) as opened:
        yield from rows_from(opened, file, schema)


def rows_from(opened: Any, file: ColdFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """As `read_rows`, from wherever the file's bytes are at hand."""
    present = [field for field in schema if field.name in file.column_names]
    wanted = pa.schema([SEQ_FIELD, *present])
    try:
        with pq.ParquetFile(opened, page_checksum_verification=True) as source:
            for batch in source.iter_batches(batch_size=_rows_at_once(file), columns=wanted.names):
                yield _based(from_file_batch(batch.select(wanted.names), wanted), file.seq_base)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from None


def read_versions(files: FileStore, file: ColdFile, seqs: np.ndarray, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Those rows of a file, as `read_rows` gives them, whose `_seq` is one of `seqs` (int64, rising).

    Of row groups that hold none the `_seq` alone is read. Raises Corruption.
    """
    wanted = pa.schema([SEQ_FIELD, *(field for field in schema if field.name in file.column_names)])
    for group, stored in _stored_seqs(files, file):
        hits = np.isin(stored, seqs)
        if hits.any():
            yield kept_rows(read_row_group(files, file, group, wanted.remove(0)), hits)


def read_seqs(files: FileStore, file: ColdFile) -> np.ndarray:
    """int64[file.rows]: the `_seq` of each row, as they lie in the file. Raises Corruption."""
    return np.concatenate([stored for _, stored in _stored_seqs(files, file)])


def _stored_seqs(files: FileStore, file: ColdFile) -> Iterator[tuple[int, np.ndarray]]:
    """(row group, int64[its rows])"""
    try:
        with files.source(file.path) as opened, pq.ParquetFile(opened, page_checksum_verification=True) as source:
            for group in range(source.metadata.num_row_groups):
                stored = source.read_row_group(group, columns=[SEQ]).column(0).to_numpy()
                yield group, stored + np.int64(file.seq_base)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from None


@dataclass(frozen=True, slots=True)
class Footer:
    """What a cold file tells of itself. schema: physical columns, without `_seq`; seq_min/max: as they are stored."""

    rows: int
    schema: pa.Schema
    seq_min: int
    seq_max: int
    column_stats: dict[str, tuple[str | None, str | None, int]]
    column_bytes: dict[str, int]


def read_footer(path: Path) -> Footer:
    """Raises Corruption when it is no cold file."""
    try:
        metadata, schema = pq.read_metadata(path), pq.read_schema(path)
        if schema.names[:1] != [SEQ] or not metadata.num_rows:
            raise Corruption(f"'{path.name}' is no cold file: it has no {SEQ} or no rows")
        seqs = [metadata.row_group(group).column(0).statistics for group in range(metadata.num_row_groups)]
        low, high = min(s.min for s in seqs), max(s.max for s in seqs)
    except (pa.ArrowException, OSError, AttributeError) as error:
        raise Corruption(f"'{path.name}' can't be read: {str(error)[:80]}") from None
    names = schema.names[1:]
    bare = pa.schema([pa.field(field.name, field.type) for field in schema][1:])
    stats, sizes = _column_stats(metadata, names), _column_bytes(metadata, names)
    return Footer(metadata.num_rows, bare, low, high, stats, sizes)


@dataclass(frozen=True, slots=True)
class GroupBounds:
    """What a row group tells of one column: smallest and largest value, None when it does not; bytes: of all columns,
    decompressed."""

    low: Any
    high: Any
    bytes: int

    def may_hold(self, value: Any) -> bool:
        return self.low is None or self.high is None or bool(self.low <= value <= self.high)


def group_bounds(files: FileStore, file: ColdFile, column: str) -> tuple[GroupBounds, ...]:
    """One for each row group. column: its physical name. Raises Corruption."""
    try:
        with files.source(file.path) as opened:
            metadata = pq.read_metadata(opened)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from None
    index = [metadata.schema.column(i).path for i in range(metadata.num_columns)].index(column)
    return tuple(_bounds_in(metadata.row_group(group), index) for group in range(metadata.num_row_groups))


def _bounds_in(group: Any, index: int) -> GroupBounds:
    column = group.column(index)
    stats = column.statistics if column.is_stats_set else None
    if stats is None or not stats.has_min_max:
        return GroupBounds(None, None, group.total_byte_size)
    return GroupBounds(stats.min, stats.max, group.total_byte_size)


def read_row_group(files: FileStore, file: ColdFile, group: int, schema: pa.Schema) -> pa.RecordBatch:
    """All rows of one row group, as `read_rows` gives them. Raises Corruption."""
    wanted = pa.schema([SEQ_FIELD, *(field for field in schema if field.name in file.column_names)])
    try:
        with (
            files.source(file.path) as opened,
            pq.ParquetFile(opened, page_checksum_verification=True, pre_buffer=True) as source,
        ):
            rows = source.read_row_group(group, columns=wanted.names).combine_chunks().select(wanted.names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from None
    [batch] = rows.to_batches()
    return _based(from_file_batch(batch, wanted), file.seq_base)


def _unreadable(file: ColdFile, error: Exception) -> Corruption:
    return Corruption(f"cold file {Path(file.path).name} can't be read: {str(error)[:80]}")


def _rows_at_once(file: ColdFile) -> int:
    return max(1, min(READ_ROWS, READ_BYTES * file.rows // max(file.bytes, 1)))


def _based(batch: pa.RecordBatch, seq_base: int) -> pa.RecordBatch:
    if seq_base == 0:
        return batch
    seqs = pa.array(batch.column(SEQ).to_numpy(zero_copy_only=False) + np.int64(seq_base))
    return batch.set_column(batch.schema.get_field_index(SEQ), SEQ_FIELD, seqs)


def _parquet_writer(sink: HashingFile, rows: pa.RecordBatch, layout: ColdLayout) -> Any:
    """rows: the first that will be written, in the types of the file."""
    blooms = {name: {"ndv": layout.row_group_rows, "fpp": 0.01} for name in layout.key_columns}
    leaves = _leaves(rows.schema)
    chosen = _encodings(rows, layout)
    encodings = {leaf.path: chosen.get(leaf.path, DICTIONARY) for leaf in leaves}
    return pq.ParquetWriter(
        pa.PythonFile(sink, mode="w"),
        rows.schema,
        compression={path: layout.compression if one.is_compressed else "none" for path, one in encodings.items()},
        use_dictionary=[path for path, one in encodings.items() if one.name is None],
        column_encoding={path: one.name for path, one in encodings.items() if one.name is not None},
        store_decimal_as_integer=True,
        # Bounds leave out NaN, which is the greatest value in every comparison: rows would be skipped that match.
        write_statistics=[leaf.path for leaf in leaves if not _is_float(leaf)],
        write_page_index=True,
        write_page_checksum=True,
        bloom_filter_options=blooms or None,
    )


def _encodings(rows: pa.RecordBatch, layout: ColdLayout) -> dict[str, Encoding]:
    """Flat column -> what it is written in. Those left out, and what is in nested ones, have dictionaries."""
    # `_seq` rises by ones: as differences it takes no room and is read 30x faster than as plain numbers.
    of_seq = {SEQ: Encoding(DELTA)}
    if layout.encoding == "dictionary":
        return of_seq
    return of_seq | {name: encoding_of(rows.column(name), layout.compression) for name in rows.schema.names[1:]}


def _leaves(schema: pa.Schema) -> list[Any]:
    """The columns as Parquet has them, those inside nested ones too."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([no_rows(schema)]), sink)
    columns = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [columns.column(index) for index in range(len(columns))]


def _is_float(leaf: Any) -> bool:
    return leaf.physical_type in ("FLOAT", "DOUBLE") or leaf.logical_type.type == "FLOAT16"


def _column_stats(metadata: Any, names: Sequence[str]) -> dict[str, tuple[str | None, str | None, int]]:
    """Smallest, largest (as text) and NULL count of each flat column, over all row groups."""
    found: dict[str, list[Any]] = {}
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            if column.path_in_schema in names and column.is_stats_set:
                found.setdefault(column.path_in_schema, []).append(column.statistics)
    return {name: _merged_stats(stats) for name, stats in found.items()}


def _column_bytes(metadata: Any, names: Sequence[str]) -> dict[str, int]:
    """Compressed size of each column with all that is inside it."""
    found = dict.fromkeys(names, 0)
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            name, _, _ = column.path_in_schema.partition(".")  # physical names have no dots
            if name in found:
                found[name] += column.total_compressed_size
    return found


def _merged_stats(stats: list[Any]) -> tuple[str | None, str | None, int]:
    nulls = sum(s.null_count or 0 for s in stats)
    bounded = [s for s in stats if s.has_min_max]
    try:
        low, high = min((s.min for s in bounded), default=None), max((s.max for s in bounded), default=None)
    except (ValueError, OverflowError, NotImplementedError):  # years that Python's own dates don't reach
        return None, None, nulls
    return _text(low), _text(high), nulls


def _text(value: Any) -> str | None:
    if value is None:
        return None
    shown = value.hex() if isinstance(value, bytes) else str(value)
    return shown[:STAT_CHARACTERS_MAX]


def _is_sortable(column: Column) -> bool:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_run_end_encoded(kind) or pa.types.is_dictionary(kind):
        kind = kind.value_type
    return not (pa.types.is_nested(kind) or pa.types.is_interval(kind) or pa.types.is_null(kind))


def _can_bloom(column: Column) -> bool:
    kind = column.type
    return not (pa.types.is_boolean(kind) or pa.types.is_dictionary(kind) or pa.types.is_nested(kind))
