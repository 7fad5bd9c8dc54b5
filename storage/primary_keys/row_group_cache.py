"""RowGroups caches decoded row groups of cold files, for reads of one row by its key.

The engine reads one row of a Parquet file in about 2 ms, most of it the handing over of small reads between threads.
A row group that is asked for again is decoded whole and kept; finding a row in it takes 0.1 ms. The first time it is
only noted: reads all over a table that is larger than the cache would decode a group for each row.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import SEQ, TableDef, fill_arrays
from storage.cold.file_store import FileStores
from storage.cold.parquet import GroupBounds, group_bounds, read_row_group
from storage.state.row_versions import conform
from storage.state.state import ColdFile

GROUP_BYTES_MAX: Final = 32 << 20  # wider groups cost more to decode than a scan of one page
BOUNDS_MAX: Final = 1024  # files whose bounds are kept
NOTED_MAX: Final = 4096  # groups asked for once

Value = int | str


@dataclass(frozen=True, slots=True)
class RowGroupKey:
    """A row group under one version of its table."""

    file_id: int
    group: int
    version: int


class RowGroups:
    """The kept row groups, at most `bytes_max` of them. Safe from any thread."""

    def __init__(self, file_stores: FileStores, bytes_max: int) -> None:
        self._file_stores = file_stores
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[RowGroupKey, pa.RecordBatch] = OrderedDict()
        self._kept_bytes = 0
        self.files_gone = 0  # so far
        self._bounds: OrderedDict[tuple[int, str], tuple[GroupBounds, ...]] = OrderedDict()
        self._noted: OrderedDict[RowGroupKey, None] = OrderedDict()

    @property
    def bytes(self) -> int:
        """Kept now."""
        return self._kept_bytes

    def row(self, table: TableDef, file: ColdFile, value: Value, seq: int) -> pa.RecordBatch | None:
        """The row with `seq`, its columns the table's physical ones; None when only a scan can tell.

        value: of the first key column. Raises Corruption.
        """
        self._file_stores.of(file).check(file.path, file.bytes, file.checksum)
        for group, bounds in enumerate(self._bounds_of(table, file)):
            if not bounds.may_hold(value):
                continue
            batch = self._group(table, file, RowGroupKey(file.file_id, group, table.version), bounds)
            if batch is None:
                return None
            found = np.flatnonzero(batch.column(SEQ).to_numpy(zero_copy_only=False) == seq)
            if len(found):
                return batch.slice(int(found[0]), 1)
        return None

    def forget(self, file_ids: frozenset[int]) -> None:
        """The files are gone: what is kept of them is of no use, and may be what somebody wanted gone."""
        with self._lock:
            self.files_gone += len(file_ids)
            for key in [key for key in self._kept if key.file_id in file_ids]:
                self._kept_bytes -= self._kept.pop(key).nbytes
            for bounds in [bounds for bounds in self._bounds if bounds[0] in file_ids]:
                del self._bounds[bounds]

    def _bounds_of(self, table: TableDef, file: ColdFile) -> tuple[GroupBounds, ...]:
        key = (file.file_id, table.key_columns[0].physical_name)
        with self._lock:
            known = self._bounds.get(key)
            if known is not None:
                self._bounds.move_to_end(key)
                return known
        found = group_bounds(self._file_stores.of(file), file, key[1])
        with self._lock:
            self._bounds[key] = found
            if len(self._bounds) > BOUNDS_MAX:
                self._bounds.popitem(last=False)
        return found

    def _group(self, table: TableDef, file: ColdFile, key: RowGroupKey, bounds: GroupBounds) -> pa.RecordBatch | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
            if bounds.bytes > min(GROUP_BYTES_MAX, self._bytes_max) or not self._was_noted(key):
                return None
        rows = read_row_group(self._file_stores.of(file), file, key.group, table.physical_schema)
        batch = conform(rows, table.physical_schema, fill_arrays(table))
        self._keep(key, batch)
        return batch

    def _was_noted(self, key: RowGroupKey) -> bool:
        if key in self._noted:
            del self._noted[key]
            return True
        self._noted[key] = None
        if len(self._noted) > NOTED_MAX:
            self._noted.popitem(last=False)
        return False

    def _keep(self, key: RowGroupKey, batch: pa.RecordBatch) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = batch
            self._kept_bytes += batch.nbytes
            while self._kept_bytes > self._bytes_max:
                _, gone = self._kept.popitem(last=False)
                self._kept_bytes -= gone.nbytes
