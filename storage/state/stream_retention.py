"""Stream retention says which events still count, and which must leave. Pure.

An event's time is that of its commit, in its `_seq`. It is past its retention when it is *older* than that: one at
exactly the cutoff stays.

    order             by age                                    for want of room (more than max_buffer events)
    ttl               hidden at once, evicted by the job        those past their retention, then the oldest
    fifo              never                                     those past their retention, then the oldest
    priority(column)  hidden at once, evicted by the job        those past their retention, then the lowest values,
                                                                of equal ones the oldest

Room is made in the very commit that needs it, so no state ever holds more than max_buffer events. What a read shows
does not depend on when the eviction job ran.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from storage.catalog.schema import TableDef, TableKind
from storage.catalog.table_options import TableOptions
from storage.errors import InvalidRequest, NotSupported
from storage.seq import ms_of, seq_at
from storage.state import transitions as transition
from storage.state.state import HotChunk, PartitionState
from storage.state.stream_priority import check_priority, lowest_of

FOR_EVER_MS: Final = 1 << 62
_NONE: Final = np.empty(0, np.int64)


def check_stream(table: TableDef) -> None:
    """Raises InvalidRequest, NotSupported unless the definition is one of a stream that works."""
    if not table.options.is_stream:
        raise InvalidRequest(
            f"stream table '{table.name}' needs a retention: add WITH (retention = '60s') or what fits its events"
        )
    if table.primary_key:
        raise NotSupported(
            f"a primary key is not supported for stream tables: events of '{table.name}' are never changed and may "
            "repeat; leave it out"
        )
    if table.options.eviction.column:
        check_priority(table)


def cutoff_seq(options: TableOptions, now_ms: int) -> int:
    """`_seq`s below are of events older than the retention."""
    return seq_at(now_ms - options.retention_seconds * 1000)


def expires(table: TableDef) -> bool:
    """Whether its rows leave by age alone."""
    return table.kind is TableKind.STREAM and table.options.eviction.order != "fifo"


def visible(table: TableDef, partition: PartitionState, now_ms: int) -> PartitionState:
    """The partition without events that are past their time; the same object when there are none."""
    if not expires(table):
        return partition
    return transition.after_eviction(partition, cutoff_seq(table.options, now_ms))


def visible_until_ms(table: TableDef, shown: PartitionState) -> int:
    """The last moment at which `shown`, which `visible` gave, shows what is to be seen."""
    if not (expires(table) and shown.hot):
        return FOR_EVER_MS
    return ms_of(int(shown.hot[0].seqs[0])) + table.options.retention_seconds * 1000


@dataclass(frozen=True, slots=True, eq=False)
class Overflow:
    """What has to leave so that no more than max_buffer events stay.

    seq_below: all events before it
    seqs:      int64, sorted: and these, in the middle
    after:     the partition, knowing what it found out on the way
    """

    seq_below: int
    seqs: np.ndarray
    after: PartitionState


def overflow(table: TableDef, partition: PartitionState, now_ms: int) -> Overflow | None:
    """None when there is room."""
    options = table.options
    over = partition.rows - options.max_buffer
    if over <= 0:
        return None
    below = cutoff_seq(options, now_ms)
    expired = live_below(partition, below)
    if expired >= over:
        return Overflow(below, _NONE, partition)
    if options.eviction.order == "priority":
        chosen, lowest = lowest_of(table, partition, below, over - expired)
        kept = replace(partition, buffer=replace(partition.buffer, lowest=lowest))
        return Overflow(below, np.sort(chosen), kept)
    return Overflow(_live_seq(partition, over), _NONE, partition)


def live_below(partition: PartitionState, seq: int) -> int:
    """How many live events come before `seq`."""
    found = 0
    for chunk in partition.hot:
        if chunk.seqs[0] >= seq:
            break
        found += _live_before(chunk, int(np.searchsorted(chunk.seqs, seq, "left")))
    return found


def _live_before(chunk: HotChunk, row: int) -> int:
    return row if chunk.dead is None else row - int(np.count_nonzero(chunk.dead[:row]))


def _live_seq(partition: PartitionState, number: int) -> int:
    """`_seq` of the live event that `number` others come before."""
    for chunk in partition.hot:
        live = _live_before(chunk, chunk.rows)
        if number < live:
            at = number if chunk.dead is None else int(np.flatnonzero(~chunk.dead)[number])
            return int(chunk.seqs[at])
        number -= live
    raise AssertionError("fewer events than were counted")


def as_buffered(found: PartitionState, evicted_below: int) -> PartitionState:
    """A partition as read back from disk, where batches may hold events that had left."""
    state = transition.after_eviction(found, evicted_below)
    cut_rows = found.hot_rows - state.hot_rows
    left_seq = max(evicted_below - 1, int(state.deletes.all.seqs.max(initial=0)), 0)
    return replace(state, buffer=replace(state.buffer, cut_rows=cut_rows, left_seq=left_seq))
