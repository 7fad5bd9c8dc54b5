"""Applies events to streams: they come in, others are evicted in the same edit for want of space, old ones leave.

On disk an eviction is one mark, the `_seq` before which nothing is left, and one range removal as far as whole stored
batches have left. Events that left stay in batches with such that stayed until they are more than these; then all that
stayed is stored anew. So disk and memory hold at most about twice what the stream shows, and an event costs its share
of one more write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from storage.catalog.schema import TableDef
from storage.group_commit.draft import Draft
from storage.rowstore.catalog_records import evicted_operation, last_seq_operation
from storage.rowstore.keys import DELETES, HOT, pair_key, partition_range
from storage.rowstore.row_codec import encode_rows, encode_versions
from storage.rowstore.row_store import Operation, Put, RemoveRange
from storage.state import transitions as transition
from storage.state.edits import RowChange
from storage.state.row_versions import with_seq
from storage.state.state import PartitionState
from storage.state.stream_priority import with_new
from storage.state.stream_retention import cutoff_seq, expires, overflow

LEFT_ROWS_MIN: Final = 4096  # fewer that left are not worth storing the others anew

HasListener = Callable[[int], bool]


def has_no_listener(_: int) -> bool:
    """Where nobody can listen."""
    return False


def add_events(
    draft: Draft, table: TableDef, before: PartitionState, change: RowChange, now_ms: int, has_listener: HasListener
) -> PartitionState:
    """The partition with the change's events, and without those that had to leave for them."""
    rows = change.rows_inserted
    if table.options.is_ephemeral and not has_listener(table.partition_id):
        draft.discarded += rows
        return _noted(before, discarded=before.buffer.discarded + rows)
    state, left_seq = before, before.buffer.left_seq
    unstored = skipped_rows = (
        max(rows - table.options.max_buffer, 0) if table.options.eviction.order != "priority" else 0
    )
    for batch in change.inserts:
        first, skipped = draft.next_seq, min(unstored, batch.num_rows)
        if skipped < batch.num_rows:
            key = pair_key(table.partition_id, first + skipped)
            draft.operations.append(Put(HOT, key, encode_rows(batch.slice(skipped), table.version)))
            numbered = with_seq(batch.slice(skipped), first + skipped)
            state = with_new(table, transition.with_rows(state, numbered), numbered)
        left_seq = first + skipped - 1 if skipped else left_seq
        unstored -= skipped
        draft.next_seq += batch.num_rows
    draft.inserted += rows
    draft.evicted += skipped_rows
    old = before.buffer
    state = _noted(state, arrived=old.arrived + rows, evicted=old.evicted + skipped_rows, left_seq=left_seq)
    return make_room(draft, table, state, now_ms)


def make_room(draft: Draft, table: TableDef, state: PartitionState, now_ms: int) -> PartitionState:
    """No more than max_buffer events."""
    over = overflow(table, state, now_ms)
    if over is None:
        return state
    state = evict_below(draft, table, over.after, over.seq_below)
    if len(over.seqs):
        state = _drop(draft, table, state, over.seqs)
    return state


def evict_below(draft: Draft, table: TableDef, before: PartitionState, seq_below: int) -> PartitionState:
    """Without the events before `seq_below`."""
    state = transition.after_eviction(before, seq_below)
    if state is before:
        return before
    partition_id = table.partition_id
    cut_rows = before.hot_rows - state.hot_rows
    left_from = state.hot[0].stored_from if state.hot else None
    if left_from != before.hot[0].stored_from:  # no key before it holds an event that stayed
        start, end = partition_range(partition_id)
        draft.operations.append(
            RemoveRange(HOT, start, end if left_from is None else pair_key(partition_id, left_from))
        )
        cut_rows = _cut_of_first(before, state)
    else:
        cut_rows += before.buffer.cut_rows
    if len(before.deletes):  # a record of `deletes` names no event that is newer than its own key
        draft.operations.append(RemoveRange(DELETES, pair_key(partition_id, 0), pair_key(partition_id, seq_below)))
    draft.operations.append(evicted_operation(partition_id, seq_below))
    newest_seq = seq_below - 1 if state.hot else int(before.hot[-1].seqs[-1])
    return _settled(draft, table, _left(draft, state, before.rows - state.rows, newest_seq, cut_rows))


def after_options(draft: Draft, old: TableDef, table: TableDef, state: PartitionState, now_ms: int) -> PartitionState:
    """What was past the old retention does not come back with the new one, and there is no more than may be."""
    if expires(old):
        state = evict_below(draft, table, state, cutoff_seq(old.options, now_ms))
    state = _noted(state, lowest=None)
    draft.next_seq = max(draft.next_seq, draft.first_seq + 1)  # as for deletes: no later commit shares its time
    return make_room(draft, table, state, now_ms)


def _drop(draft: Draft, table: TableDef, before: PartitionState, seqs: np.ndarray) -> PartitionState:
    """Without these events, from anywhere."""
    commit_seq = draft.next_seq - 1  # not before any of them
    key = pair_key(table.partition_id, commit_seq)
    draft.operations.append(Put(DELETES, key, seqs.astype("<i8").tobytes()))
    state = transition.with_deletes(before, seqs, commit_seq)
    return _settled(draft, table, _left(draft, state, len(seqs), int(seqs[-1]), state.buffer.cut_rows))


def _left(draft: Draft, state: PartitionState, rows: int, newest_seq: int, cut_rows: int) -> PartitionState:
    # What left may have been the newest on disk; its `_seq`s must never be given out again.
    draft.operations.append(last_seq_operation(max(draft.next_seq - 1, draft.first_seq)))
    draft.evicted += rows
    left_seq = max(state.buffer.left_seq, newest_seq)
    return _noted(state, evicted=state.buffer.evicted + rows, left_seq=left_seq, cut_rows=cut_rows)


def _settled(draft: Draft, table: TableDef, state: PartitionState) -> PartitionState:
    """Stored anew if most of what is stored has left."""
    if state.buffer.cut_rows + len(state.deletes) <= max(state.rows, LEFT_ROWS_MIN):
        return state
    state = transition.rewritten(state)
    start, end = partition_range(table.partition_id)
    operations: list[Operation] = [RemoveRange(HOT, start, end), RemoveRange(DELETES, start, end)]
    for chunk in state.hot:
        key = pair_key(table.partition_id, int(chunk.seqs[0]))
        operations.append(Put(HOT, key, encode_versions(chunk.batch, table.version)))
    draft.operations += operations
    return _noted(state, cut_rows=0)


def _cut_of_first(before: PartitionState, state: PartitionState) -> int:
    """How many rows left the batches in which the first that stayed are stored."""
    if not state.hot:
        return 0
    first = state.hot[0]
    whole = next(chunk for chunk in before.hot if chunk.stored_from == first.stored_from)
    return whole.rows - first.rows


def _noted(state: PartitionState, **changes: object) -> PartitionState:
    return replace(state, buffer=replace(state.buffer, **changes))  # type: ignore[arg-type]
