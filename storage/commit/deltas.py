"""Deltas are changes with their rows: from the names in a `PartitionChange` to the new rows and the old ones.

A row that one commit deletes and brings back under the same primary key was replaced: the two belong together. The rows
of a bulk load are read from its files part by part, so that no load is ever in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import SEQ, TableDef, fill_arrays
from storage.cold.file_store import FileStores
from storage.cold.parquet import group_bounds, read_row_group, read_versions
from storage.errors import Corruption
from storage.state.batch_rows import kept_rows, rows_at
from storage.state.batch_rows import no_rows as no_rows_of
from storage.state.partition_change import PartitionChange
from storage.state.row_versions import SEQ_FIELD, conform, with_seq
from storage.state.state import PartitionState

ROWS_AT_ONCE: Final = 1 << 16  # deletes whose old rows are looked up together
NONE: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """Changes of a partition, in order. Batches have `_seq` in front, then the physical columns of one table version.

    new:      rows that came, rising by `_seq`
    old:      versions that went
    commits:  int64[old.num_rows]: when each went
    replaced: int64[new.num_rows]: which row of `old` each took the place of, NONE for those that took none
    """

    new: pa.RecordBatch
    old: pa.RecordBatch
    commits: np.ndarray
    replaced: np.ndarray

    @property
    def rows(self) -> int:
        return int(self.new.num_rows + self.old.num_rows)


def is_small(change: PartitionChange) -> bool:
    """Whether all of its new rows are in memory anyway."""
    return not change.change.staged


def deltas_of(file_stores: FileStores, change: PartitionChange, table: TableDef) -> Iterator[Delta]:
    """The change as `table` shows it (the change's own table, or an earlier version of it), part by part.

    Raises Corruption.
    """
    deletes = _sorted(change.change.deletes)
    pairs = _pairs(change)
    new_seqs = np.fromiter(pairs, np.int64, len(pairs))
    old_seqs = np.fromiter(pairs.values(), np.int64, len(pairs))
    plain = deletes[~np.isin(deletes, old_seqs)]
    for start in range(0, len(plain), ROWS_AT_ONCE):
        old = versions(file_stores, change.before, table, plain[start : start + ROWS_AT_ONCE])
        yield Delta(no_rows(table), old, np.full(old.num_rows, change.commit_seq), np.empty(0, np.int64))
    for batch in _new_rows(file_stores, change, table):
        yield _paired(file_stores, change, table, batch, new_seqs, old_seqs)


def _paired(
    file_stores: FileStores,
    change: PartitionChange,
    table: TableDef,
    batch: pa.RecordBatch,
    new_seqs: np.ndarray,
    old_seqs: np.ndarray,
) -> Delta:
    """`new_seqs` rising; `old_seqs[i]` is what `new_seqs[i]` replaced."""
    replaced = np.full(batch.num_rows, NONE)
    if len(new_seqs) == 0:
        return Delta(batch, no_rows(table), np.empty(0, np.int64), replaced)
    seqs = seqs_of(batch)
    at = np.minimum(np.searchsorted(new_seqs, seqs), len(new_seqs) - 1)
    has_old = new_seqs[at] == seqs
    wanted = old_seqs[at[has_old]]
    old = versions(file_stores, change.before, table, np.sort(wanted))
    replaced[has_old] = np.searchsorted(seqs_of(old), wanted)
    return Delta(batch, old, np.full(old.num_rows, change.commit_seq), replaced)


def _pairs(change: PartitionChange) -> dict[int, int]:
    """New `_seq` -> the `_seq` of the version with the same key that the change deletes; rising."""
    deletes, keys = change.change.deletes, change.change.deleted_keys
    if deletes is None or not keys:
        return {}
    gone = dict(zip(keys, deletes.tolist(), strict=True))
    first = change.rows_seq
    found = {first + row: gone[key] for row, key in enumerate(change.change.new_keys) if key in gone}
    first += sum(batch.num_rows for batch in change.change.inserts)
    late = {first + ordinal: gone[key] for key, ordinal in change.change.late_keys if key in gone}
    return found | dict(sorted(late.items()))


def _new_rows(file_stores: FileStores, change: PartitionChange, table: TableDef) -> Iterator[pa.RecordBatch]:
    first, schema, fills = change.rows_seq, table.physical_schema, fill_arrays(table)
    for batch in change.change.inserts:
        if batch.num_rows:
            yield conform(with_seq(batch, first), schema, fills)
        first += batch.num_rows
    loaded = {file.file_id for file in change.change.staged}
    again = change.change.staged_deletes
    for file in change.after.cold:
        if file.file_id not in loaded:
            continue
        file_stores.of(file).check(file.path, file.bytes, file.checksum)
        for group in range(len(group_bounds(file_stores.of(file), file, SEQ))):
            rows = conform(read_row_group(file_stores.of(file), file, group, schema), schema, fills)
            rows = rows_at(rows, np.argsort(seqs_of(rows), kind="stable"))
            if again is not None and len(again):
                rows = kept_rows(rows, ~np.isin(seqs_of(rows), again + first))
            if rows.num_rows:
                yield rows


def versions(file_stores: FileStores, partition: PartitionState, table: TableDef, seqs: np.ndarray) -> pa.RecordBatch:
    """The rows with these `_seq`s (int64, rising), hot or cold, deleted or not, in that order. Raises Corruption."""
    if len(seqs) == 0:
        return no_rows(table)
    schema, fills = table.physical_schema, fill_arrays(table)
    found = [conform(batch, schema, fills) for batch in _hot_versions(partition, seqs)]
    missing = len(seqs) - sum(batch.num_rows for batch in found)
    for file in partition.cold if missing else ():
        first, last = np.searchsorted(seqs, [file.seq_min, file.seq_max + 1])
        if first < last:
            file_stores.of(file).check(file.path, file.bytes, file.checksum)
            found += [
                conform(b, schema, fills) for b in read_versions(file_stores.of(file), file, seqs[first:last], schema)
            ]
    rows = together(found, table)
    if rows.num_rows != len(seqs):
        raise Corruption(f"table '{table.name}' does not hold {len(seqs) - rows.num_rows} of its deleted rows any more")
    return rows_at(rows, np.argsort(seqs_of(rows), kind="stable"))


def _hot_versions(partition: PartitionState, seqs: np.ndarray) -> Iterator[pa.RecordBatch]:
    for chunk in partition.hot:
        first, last = np.searchsorted(seqs, [chunk.seqs[0], chunk.seqs[-1] + 1])
        if first == last:
            continue
        hits = seqs[first:last]
        at = np.minimum(np.searchsorted(chunk.seqs, hits), chunk.rows - 1)
        at = at[chunk.seqs[at] == hits]
        if len(at):
            yield rows_at(chunk.batch, at)


def merged(deltas: Sequence[Delta], table: TableDef) -> Delta:
    """Several, one after the other, as one."""
    if not deltas:
        return Delta(no_rows(table), no_rows(table), np.empty(0, np.int64), np.empty(0, np.int64))
    if len(deltas) == 1:
        return deltas[0]
    shifts = np.cumsum([0, *(delta.old.num_rows for delta in deltas)])[:-1]
    replaced = [np.where(d.replaced == NONE, NONE, d.replaced + s) for d, s in zip(deltas, shifts, strict=True)]
    return Delta(
        new=together([delta.new for delta in deltas], table),
        old=together([delta.old for delta in deltas], table),
        commits=np.concatenate([delta.commits for delta in deltas]),
        replaced=np.concatenate(replaced),
    )


def together(batches: Sequence[pa.RecordBatch], table: TableDef) -> pa.RecordBatch:
    """Batches of the table's rows as one."""
    filled = [batch for batch in batches if batch.num_rows]
    if not filled:
        return no_rows(table)
    if len(filled) == 1:
        return filled[0]
    schema = no_rows(table).schema
    return pa.concat_batches([pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in filled])


def no_rows(table: TableDef) -> pa.RecordBatch:
    """None, with the columns that rows of it have."""
    return no_rows_of(pa.schema([SEQ_FIELD, *table.physical_schema]))


def seqs_of(batch: pa.RecordBatch) -> np.ndarray:
    """int64[rows]"""
    seqs: np.ndarray = batch.column(0).to_numpy(zero_copy_only=False)
    return seqs


def _sorted(seqs: np.ndarray | None) -> np.ndarray:
    return np.empty(0, np.int64) if seqs is None else np.sort(seqs)
