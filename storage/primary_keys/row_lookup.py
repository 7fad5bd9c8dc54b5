"""RowLookup reads one row by its primary key, without a scan.

The index is newer than a snapshot may be, and entries change before the state that they belong to is published. So an
entry is believed only when it names a version that the snapshot must hold too: a `_seq` not newer than the snapshot's
own. Such a version was there then, and since the entry still stands it was alive then. That there is no entry is
believed when nothing was on its way to the disk, before and after it was looked for, and the snapshot is of now. In all
other cases the answer is "scan".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from storage.catalog.schema import TableDef
from storage.primary_keys.encoding import encode_keys
from storage.primary_keys.index import KeyIndex
from storage.primary_keys.row_group_cache import RowGroups, Value
from storage.state.batch_rows import no_rows
from storage.state.state import DatabaseState, HotChunk


class RowLookup:
    """Safe from any thread."""

    def __init__(self, keys: KeyIndex, groups: RowGroups, settled: Callable[[DatabaseState], int | None]) -> None:
        """settled: see `Committer.settled`"""
        self._settled = settled
        self._keys = keys
        self._groups = groups

    @property
    def kept_bytes(self) -> int:
        """Of cold row groups."""
        return self._groups.bytes

    @property
    def files_gone(self) -> int:
        """How many it was told of so far."""
        return self._groups.files_gone

    def forget(self, file_ids: frozenset[int]) -> None:
        """Keep nothing of files that are gone."""
        self._groups.forget(file_ids)

    def row(self, state: DatabaseState, table: TableDef, value: Value) -> pa.RecordBatch | None:
        """The one row whose primary key, of one column, is `value`, or none where no row has it; None when only a scan
        can tell.

        state: of an open snapshot. Columns and names as `table.arrow_schema`. Raises Corruption.
        """
        [column] = table.key_columns
        try:
            key = encode_keys([pa.array([value], column.type)], [column.name])
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            return None
        settled = self._settled(state)
        [seq] = self._keys.find(table.partition_id, key)
        if seq is None and settled is not None and self._settled(state) == settled:
            return no_rows(table.arrow_schema)
        if seq is None or not 0 < seq <= state.last_seq:
            return None
        found = self._at(state, table, value, seq)
        return None if found is None else _shown(table, found)

    def _at(self, state: DatabaseState, table: TableDef, value: Value, seq: int) -> pa.RecordBatch | None:
        partition = state.partition(table.partition_id)
        found = _hot_row(partition.hot, seq)
        if found is not None:
            return found
        for file in partition.cold:
            if file.seq_min <= seq <= file.seq_max:
                found = self._groups.row(table, file, value, seq)
                if found is not None:
                    return found
        return None


def _hot_row(hot: Iterable[HotChunk], seq: int) -> pa.RecordBatch | None:
    for chunk in hot:
        if chunk.seqs[0] <= seq <= chunk.seqs[-1]:
            at = int(np.searchsorted(chunk.seqs, seq))
            return chunk.batch.slice(at, 1) if chunk.seqs[at] == seq else None
    return None


def _shown(table: TableDef, row: pa.RecordBatch) -> pa.RecordBatch:
    columns = [row.column(column.physical_name) for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, schema=table.arrow_schema)
