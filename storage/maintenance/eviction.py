"""Eviction removes events past their retention, in batches; a pure function says what a batch is.

Readers have not seen these events since their time was up, so nothing waits for an eviction and none has to be synced:
one that a crash takes back is simply done again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.catalog.schema import TableDef
from storage.seq import ms_of
from storage.state import transitions as transition
from storage.state.edits import Edit, EvictChange
from storage.state.state import HotChunk, PartitionState
from storage.state.stream_retention import cutoff_seq, expires, live_below

if TYPE_CHECKING:
    from storage.engine import Engine


@dataclass(frozen=True, slots=True)
class EvictionPlan:
    """One batch: the events before `seq_below`.

    rows, bytes:          of them
    oldest_ms, newest_ms: times of the first and the last of them
    is_last:              nothing that is past its time stays
    """

    seq_below: int
    rows: int
    bytes: int
    oldest_ms: int
    newest_ms: int
    is_last: bool


def plan_eviction(table: TableDef, partition: PartitionState, now_ms: int, rows_max: int) -> EvictionPlan | None:
    """The next batch of about `rows_max` rows; None when no event has to leave."""
    if not expires(table):
        return None
    cutoff = cutoff_seq(table.options, now_ms)
    seq_below, rows = cutoff, 0
    gone: list[HotChunk] = []
    for chunk in partition.hot:
        old = transition.before_seq(chunk, cutoff)
        if old is None or rows == rows_max:
            break
        if rows + old.rows > rows_max:
            old = transition.before_seq(old, int(old.seqs[rows_max - rows]))
            assert old is not None
        gone.append(old)
        rows += old.rows
    if not gone:
        return None
    seq_below = int(gone[-1].seqs[-1]) + 1
    is_last = live_below(partition, cutoff) == live_below(partition, seq_below)
    return EvictionPlan(
        seq_below=seq_below,
        rows=live_below(partition, seq_below),
        bytes=sum(chunk.bytes for chunk in gone),
        oldest_ms=ms_of(int(gone[0].seqs[0])),
        newest_ms=ms_of(int(gone[-1].seqs[-1])),
        is_last=is_last,
    )


def evict(engine: Engine, table: TableDef, plan: EvictionPlan) -> int:
    """Do it; returns how many events left by it. Raises NotFound (dropped meanwhile), StorageUnavailable."""
    change = EvictChange(table.partition_id, plan.seq_below)
    return engine.commit(Edit(maintenance=(change,), durable=False)).evicted
