"""Transitions change a partition's state: pure functions from state to state.

Hot rows arrive in `_seq` order, so `hot` stays ordered by appending. Small chunks are merged in doubling steps,
so n one-row inserts leave O(log n) chunks and each row is copied O(log n) times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from storage.catalog.catalog import Catalog
from storage.catalog.partition_ids import table_of_partition
from storage.catalog.schema import SEQ, TableDef, fill_arrays
from storage.state.batch_rows import kept_rows
from storage.state.delete_set import DeleteSet, delete_chunk
from storage.state.row_versions import conform
from storage.state.state import ColdFile, HotChunk, PartitionState

MERGED_ROWS_MAX: Final = 1 << 15  # beyond this a merge copies more than a scan saves


def with_rows(state: PartitionState, batch: pa.RecordBatch) -> PartitionState:
    """Append rows; `batch` has `_seq` in front, all of them above any in the partition."""
    if batch.num_rows == 0:
        return state
    return replace(state, hot=_appended(state.hot, HotChunk(batch)))


def with_files(state: PartitionState, files: tuple[ColdFile, ...]) -> PartitionState:
    return replace(state, cold=tuple(sorted((*state.cold, *files), key=lambda file: file.seq_min)))


def with_deletes(state: PartitionState, seqs: np.ndarray, commit_seq: int) -> PartitionState:
    """Mark live versions deleted. `seqs` without repeats, none of them deleted before."""
    if len(seqs) == 0:
        return state
    ordered = np.sort(seqs)
    hot = tuple(_marked(chunk, ordered) for chunk in state.hot)
    return replace(state, hot=hot, deletes=state.deletes.with_chunk(delete_chunk(ordered, commit_seq)))


def after_flush(state: PartitionState, seq_max: int, files: tuple[ColdFile, ...]) -> PartitionState:
    """Hot rows up to `seq_max` are in `files`. Rows that came meanwhile stay, even inside a merged chunk."""
    kept = tuple(chunk for chunk in (_after(chunk, seq_max) for chunk in state.hot) if chunk is not None)
    return with_files(replace(state, hot=kept), files)


def after_eviction(state: PartitionState, seq_below: int) -> PartitionState:
    """Without the hot rows before `seq_below`. Rows that stay may still be stored in one batch with some that left."""
    if not state.hot or seq_below <= state.hot[0].seqs[0]:
        return state
    first = 0
    while first < len(state.hot) and state.hot[first].seqs[-1] < seq_below:
        first += 1
    kept = state.hot[first:]
    if kept and kept[0].seqs[0] < seq_below:
        kept = (_cut(kept[0], seq_below), *kept[1:])
    deletes = state.deletes.without_below(seq_below) if state.deletes.chunks else state.deletes
    return replace(state, hot=kept, deletes=deletes)


def rewritten(state: PartitionState) -> PartitionState:
    """The live hot rows alone, in as few chunks as can be, each of them to be stored anew."""
    batches = [chunk.live for chunk in state.hot if chunk.live.num_rows]
    hot = tuple(HotChunk(pa.concat_batches(group)) for group in _groups(batches))
    return replace(state, hot=hot, deletes=DeleteSet())


def after_compaction(
    state: PartitionState, replaced: frozenset[int], files: tuple[ColdFile, ...], purged: np.ndarray
) -> PartitionState:
    """`replaced` file ids give way to `files`; the purged versions' deletes are forgotten."""
    cold = tuple(file for file in state.cold if file.file_id not in replaced)
    return with_files(_forgetting(replace(state, cold=cold), purged), files)


def after_hot_purge(state: PartitionState, purged: np.ndarray) -> PartitionState:
    """Deleted versions are gone from hot, and so are their deletes."""
    kept = tuple(left for chunk in state.hot if (left := _rid_of(chunk, purged)).rows)
    return _forgetting(replace(state, hot=kept), purged)


def _forgetting(state: PartitionState, purged: np.ndarray) -> PartitionState:
    if len(purged) == 0:
        return state
    newest = int(state.deletes.commits_of(purged).max(initial=state.purged_seq))
    return replace(state, deletes=state.deletes.without(purged), purged_seq=newest)


def _rid_of(chunk: HotChunk, purged: np.ndarray) -> HotChunk:
    if chunk.dead is None:
        return chunk
    gone = np.isin(chunk.seqs, purged)
    if not gone.any():
        return chunk
    dead = chunk.dead[~gone]
    return HotChunk(kept_rows(chunk.batch, ~gone), dead if dead.any() else None)


def after_alter(state: PartitionState, table: TableDef, fills: dict[str, pa.Array]) -> PartitionState:
    """Hot rows under the table's newest schema; cold files are adapted when they are read."""
    schema = table.physical_schema
    hot = tuple(HotChunk(conform(chunk.batch, schema, fills), chunk.dead, chunk.first_stored) for chunk in state.hot)
    return replace(state, hot=hot)


def after_definition(partitions: Mapping[int, PartitionState], old: Catalog, new: Catalog) -> dict[int, PartitionState]:
    """What is left of `partitions` after DDL: those of dropped tables are gone, those of altered ones adapted."""
    gone = old.tables_by_id.keys() - new.tables_by_id.keys()
    before = old.tables_by_id
    changed = {t.table_id: t for t in new.tables.values() if before.get(t.table_id) is not t}
    kept = {}
    for partition_id, state in partitions.items():
        table_id = table_of_partition(partition_id)
        if table_id in gone:
            continue
        table = changed.get(table_id)
        kept[partition_id] = state if table is None else after_alter(state, table, fill_arrays(table))
    return kept


def restored(
    partition_id: int,
    batches: list[pa.RecordBatch],
    cold: tuple[ColdFile, ...],
    deletes: DeleteSet,
    purged_seq: int = 0,
) -> PartitionState:
    """A partition as read back from disk; `batches` in `_seq` order with `_seq` in front."""
    chunks: tuple[HotChunk, ...] = ()
    for group in _groups(batches):
        batch = pa.concat_batches(group) if len(group) > 1 else group[0]
        chunks = (*chunks, _with_dead(batch, deletes))
    return with_files(PartitionState(partition_id, chunks, (), deletes, purged_seq), cold)


def _with_dead(batch: pa.RecordBatch, deletes: DeleteSet) -> HotChunk:
    dead = deletes.contains(batch.column(SEQ).to_numpy())
    return HotChunk(batch, dead if dead.any() else None)


def _groups(batches: list[pa.RecordBatch]) -> list[list[pa.RecordBatch]]:
    """Neighbours together up to MERGED_ROWS_MAX rows."""
    groups: list[list[pa.RecordBatch]] = []
    rows = 0
    for batch in batches:
        if not groups or rows + batch.num_rows > MERGED_ROWS_MAX:
            groups.append([])
            rows = 0
        groups[-1].append(batch)
        rows += batch.num_rows
    return groups


def _appended(hot: tuple[HotChunk, ...], added: HotChunk) -> tuple[HotChunk, ...]:
    first = len(hot)
    rows = added.rows
    while first and hot[first - 1].rows <= rows and hot[first - 1].rows + rows <= MERGED_ROWS_MAX:
        first -= 1
        rows += hot[first].rows
    if first == len(hot):
        return (*hot, added)
    return (*hot[:first], _merged((*hot[first:], added)))


def _merged(chunks: tuple[HotChunk, ...]) -> HotChunk:
    batch = pa.concat_batches([chunk.batch for chunk in chunks])
    first_stored = chunks[0].first_stored
    if all(chunk.dead is None for chunk in chunks):
        return HotChunk(batch, None, first_stored)
    masks = [np.zeros(c.rows, dtype=bool) if c.dead is None else c.dead for c in chunks]
    return HotChunk(batch, np.concatenate(masks), first_stored)


def _marked(chunk: HotChunk, ordered: np.ndarray) -> HotChunk:
    seqs = chunk.seqs
    first, last = np.searchsorted(ordered, [seqs[0], seqs[-1] + 1])
    if first == last:
        return chunk
    hits = ordered[first:last]
    at = np.minimum(np.searchsorted(seqs, hits), len(seqs) - 1)
    at = at[seqs[at] == hits]
    if len(at) == 0:
        return chunk
    dead = np.zeros(chunk.rows, dtype=bool) if chunk.dead is None else chunk.dead.copy()
    dead[at] = True
    return HotChunk(chunk.batch, dead, chunk.first_stored)


def _after(chunk: HotChunk, seq_max: int) -> HotChunk | None:
    """The rows above `seq_max`; None when there are none."""
    first = int(np.searchsorted(chunk.seqs, seq_max, "right"))
    if first == 0:
        return chunk
    if first == chunk.rows:
        return None
    dead = None if chunk.dead is None else chunk.dead[first:]
    return HotChunk(chunk.batch.slice(first), dead)


def before_seq(chunk: HotChunk, seq: int) -> HotChunk | None:
    """The rows of a chunk before `seq`; None when there are none."""
    rows = int(np.searchsorted(chunk.seqs, seq, "left"))
    if rows in (0, chunk.rows):
        return chunk if rows else None
    return HotChunk(chunk.batch.slice(0, rows), None if chunk.dead is None else chunk.dead[:rows], chunk.first_stored)


def _cut(chunk: HotChunk, seq_below: int) -> HotChunk:
    """The rows from `seq_below` on, of which there are some."""
    first = int(np.searchsorted(chunk.seqs, seq_below, "left"))
    dead = None if chunk.dead is None or not chunk.dead[first:].any() else chunk.dead[first:]
    return HotChunk(chunk.batch.slice(first), dead, chunk.stored_from)
