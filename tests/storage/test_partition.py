"""Transitions of a partition against a naive model: a list of versions, each hot or cold, alive or dead."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.catalog.schema import SEQ
from storage.state import transitions as transition
from storage.state.row_versions import with_seq
from storage.state.state import ColdFile, PartitionState


@dataclass
class Naive:
    """`_seq` -> value, and which of them are cold or dead."""

    values: dict[int, int] = field(default_factory=dict)
    cold: set[int] = field(default_factory=set)
    dead: set[int] = field(default_factory=set)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.integers(0, 7)),
        st.tuples(st.just("delete"), st.lists(st.integers(0, 200), max_size=6)),
        st.tuples(st.just("flush"), st.integers(0, 3)),
        st.tuples(st.just("purge"), st.integers(0, 200)),
    ),
    max_size=40,
)


def cold_file(file_id: int, seqs: list[int]) -> ColdFile:
    return ColdFile(
        file_id=file_id,
        path=f"{file_id}",
        rows=len(seqs),
        bytes=1,
        seq_min=min(seqs),
        seq_max=max(seqs),
        schema_version=1,
        checksum="",
        column_names=("v",),
    )


class Walk:
    """Takes the same steps on a state and on the model."""

    def __init__(self) -> None:
        self.state = PartitionState(1)
        self.naive = Naive()
        self.next_seq = 1
        self.file_rows: dict[int, list[int]] = {}

    def rows(self, count: int) -> None:
        batch = pa.record_batch({"v": pa.array(range(self.next_seq, self.next_seq + count), pa.int64())})
        self.state = transition.with_rows(self.state, with_seq(batch, self.next_seq))
        self.naive.values |= {seq: seq for seq in range(self.next_seq, self.next_seq + count)}
        self.next_seq += count + 1

    def delete(self, picks: list[int]) -> None:
        live = sorted(self.naive.values.keys() - self.naive.dead)
        seqs = {live[pick % len(live)] for pick in picks} if live else set()
        self.state = transition.with_deletes(self.state, np.array(list(seqs), dtype=np.int64), self.next_seq)
        self.naive.dead |= seqs
        self.next_seq += 1

    def flush(self, rows_later: int) -> None:
        """Rows come in after the flush looked, and before it committed."""
        hot = sorted(self.naive.values.keys() - self.naive.cold)
        if hot:
            self.rows(rows_later)
            file = cold_file(self.next_seq, hot)
            self.state = transition.after_flush(self.state, hot[-1], (file,))
            self.naive.cold |= set(hot)
            self.file_rows[file.file_id] = hot
            self.next_seq += 1

    def purge(self, pick: int) -> None:
        if not self.state.cold:
            return
        old = self.state.cold[pick % len(self.state.cold)]
        stored = self.file_rows.pop(old.file_id)
        kept = [seq for seq in stored if seq not in self.naive.dead]
        purged = sorted(set(stored) - set(kept))
        files = (cold_file(self.next_seq, kept),) if kept else ()
        if kept:
            self.file_rows[self.next_seq] = kept
        self.next_seq += 1
        gone = np.array(purged, dtype=np.int64)
        self.state = transition.after_compaction(self.state, frozenset({old.file_id}), files, gone)
        self.naive.dead -= set(purged)
        self.naive.cold -= set(purged)
        for seq in purged:
            del self.naive.values[seq]


@settings(max_examples=150)
@given(STEPS)
def test_every_walk_ends_where_the_model_ends(steps: list[tuple[str, object]]):
    walk = Walk()
    for name, argument in steps:
        before = walk.state
        hot_before = [(chunk.batch, None if chunk.dead is None else chunk.dead.copy()) for chunk in before.hot]
        getattr(walk, name)(argument)
        # Whoever holds the state of before still sees what it saw.
        for chunk, (batch, dead) in zip(before.hot, hot_before, strict=True):
            assert chunk.batch is batch
            assert (chunk.dead is None and dead is None) or np.all(chunk.dead == dead)
    state, naive = walk.state, walk.naive
    hot = naive.values.keys() - naive.cold
    live = [seq for chunk in state.hot for seq in chunk.live.column(SEQ).to_pylist()]
    assert live == sorted(hot - naive.dead)
    assert [v for chunk in state.hot for v in chunk.live.column(1).to_pylist()] == live
    assert [seq for chunk in state.hot for seq in chunk.seqs.tolist()] == sorted(hot)
    assert set(state.deletes.all.seqs.tolist()) == naive.dead
    assert state.hot_rows == len(hot)
    assert state.rows == len(naive.values) - len(naive.dead)
    assert [f.file_id for f in sorted(state.cold, key=lambda f: f.seq_min)] == [f.file_id for f in state.cold]


def test_many_single_rows_leave_few_chunks():
    state = PartitionState(1)
    for seq in range(1, 1001):
        state = transition.with_rows(state, with_seq(pa.record_batch({"v": pa.array([seq])}), seq))
    assert state.hot_rows == 1000
    assert len(state.hot) <= 10
