"""Applies flushes, compactions, purges and evictions to a draft: they move or purge rows, and change none."""

from __future__ import annotations

import numpy as np

from storage.catalog.partition_ids import table_of_partition
from storage.errors import Conflict, NotFound
from storage.group_commit.apply_cleanup import forget_operations, without_forgotten
from storage.group_commit.apply_events import evict_below
from storage.group_commit.draft import Draft
from storage.rowstore.catalog_records import last_seq_operation
from storage.rowstore.delete_records import delete_record, purged_record
from storage.rowstore.keys import HOT, MANIFEST, pair_key
from storage.rowstore.row_codec import encode_versions
from storage.rowstore.row_store import Operation, Put, Remove, RemoveRange
from storage.state import transitions as transition
from storage.state.edits import CompactChange, EvictChange, FlushChange, Forgetting, HotPurge, Maintenance
from storage.state.state import PartitionState


def apply_maintenance(draft: Draft, change: Maintenance) -> None:
    """Flush and compaction move rows; they change none, so they need no check but that the table is still there."""
    # Purging may remove the newest `_seq` from disk; it must never be given out again.
    draft.operations.append(last_seq_operation(draft.first_seq))
    if isinstance(change, Forgetting):
        draft.operations += forget_operations(change, draft.state.catalog)
        draft.state = without_forgotten(draft.state, change)
        return
    if table_of_partition(change.partition_id) not in draft.state.catalog.tables_by_id:
        raise NotFound("the table was dropped while its rows were being moved")
    state = draft.state.partition(change.partition_id)
    if isinstance(change, HotPurge):
        _purge_hot(draft, state, change)
        return
    if isinstance(change, EvictChange):
        table = next(t for t in draft.state.catalog.tables.values() if t.partition_id == change.partition_id)
        draft.put(evict_below(draft, table, state, change.seq_below))
        return
    draft.name_files(change.partition_id, change.files)
    if isinstance(change, FlushChange):
        start, end = pair_key(change.partition_id, 0), pair_key(change.partition_id, change.seq_max + 1)
        draft.operations.append(RemoveRange(HOT, start, end))
        draft.put(transition.after_flush(state, change.seq_max, change.files))
        return
    _compact(draft, state, change)


def _purge_hot(draft: Draft, state: PartitionState, change: HotPurge) -> None:
    start, end = pair_key(change.partition_id, change.seq_min), pair_key(change.partition_id, change.seq_max + 1)
    draft.operations.append(RemoveRange(HOT, start, end))
    if change.kept is not None:
        key = pair_key(change.partition_id, change.kept.column(0)[0].as_py())
        draft.operations.append(Put(HOT, key, encode_versions(change.kept, change.version)))
    after = transition.after_hot_purge(state, change.purged)
    draft.operations += _purge_operations(state, change.purged, after.purged_seq)
    draft.put(after)


def _compact(draft: Draft, state: PartitionState, change: CompactChange) -> None:
    present = {file.file_id for file in state.cold}
    if not present.issuperset(change.replaced):
        raise Conflict("a file was replaced by another compaction first")
    draft.operations += [Remove(MANIFEST, pair_key(change.partition_id, file_id)) for file_id in change.replaced]
    purged = np.empty(0, np.int64) if change.purged is None else change.purged
    after = transition.after_compaction(state, frozenset(change.replaced), change.files, purged)
    draft.operations += _purge_operations(state, purged, after.purged_seq)
    draft.put(after)


def _purge_operations(state: PartitionState, purged: np.ndarray, purged_seq: int) -> list[Operation]:
    """Rewrite the delete records that name purged versions, and remember how far back they went."""
    if len(purged) == 0:
        return []
    every = state.deletes.all
    gone = np.isin(every.seqs, purged)
    touched = np.unique(every.commits[gone])
    kept = ~gone & np.isin(every.commits, touched)
    order = np.argsort(every.commits[kept], kind="stable")  # by commit, then by `_seq`
    left_seqs = every.seqs[kept][order]
    bounds = np.searchsorted(every.commits[kept][order], np.append(touched, np.iinfo(np.int64).max))
    operations: list[Operation] = [purged_record(state.partition_id, purged_seq)]
    for commit, start, end in zip(touched.tolist(), bounds[:-1], bounds[1:], strict=True):
        operations.append(delete_record(state.partition_id, commit, left_seqs[start:end]))
    return operations
