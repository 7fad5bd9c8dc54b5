"""A stream as a list: what it must show after any sequence of inserts, evictions, restarts and changes of its options.

The oracle keeps every event with its time and its value, and takes those that had to leave out of the list. It knows
nothing of batches, marks and deletes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from storage.catalog.table_options import Eviction
from storage.clock import ManualClock
from storage.group_commit.apply_events import LEFT_ROWS_MIN
from storage.seq import SEQ_TIME_SHIFT
from storage.state.stream_retention import visible
from tests.storage.stream_furniture import Stream

ORDERS = (Eviction("ttl"), Eviction("fifo"), Eviction("priority", "p"))
# (time in ms, value, number)
Event = tuple[int, float, int]


class StreamOracle:
    """The events of one stream, in order of arrival."""

    def __init__(self, retention_seconds: int, max_buffer: int, eviction: Eviction) -> None:
        self.retention_ms = retention_seconds * 1000
        self.max_buffer = max_buffer
        self.eviction = eviction
        self.events: list[Event] = []

    def put(self, events: list[Event], now_ms: int) -> None:
        self.events += events
        self.make_room(now_ms)

    def make_room(self, now_ms: int) -> None:
        if len(self.events) > self.max_buffer:
            self.events = [event for event in self.events if event[0] >= now_ms - self.retention_ms]
        over = len(self.events) - self.max_buffer
        if over > 0:
            by_value = self.eviction.order == "priority"
            ranked = sorted(self.events, key=lambda event: event[1]) if by_value else self.events
            gone = {event[2] for event in ranked[:over]}
            self.events = [event for event in self.events if event[2] not in gone]

    def expire(self, now_ms: int) -> None:
        if self.eviction.order != "fifo":
            self.events = [event for event in self.events if event[0] >= now_ms - self.retention_ms]

    def numbers(self, now_ms: int) -> list[int]:
        oldest = 0 if self.eviction.order == "fifo" else now_ms - self.retention_ms
        return [number for time_ms, _, number in self.events if time_ms >= oldest]


class StreamMachine(RuleBasedStateMachine):
    """Random lives of a stream."""

    stream: Stream

    @initialize(
        retention=st.integers(1, 5), max_buffer=st.sampled_from((1, 3, 20, 200)), eviction=st.sampled_from(ORDERS)
    )
    def create(self, retention: int, max_buffer: int, eviction: Eviction) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        path = Path(self.directory.name) / "data"
        options: dict[str, Any] = {"retention_seconds": retention, "max_buffer": max_buffer, "eviction": eviction}
        self.stream = Stream(path, self.clock, **options)
        self.oracle = StreamOracle(retention, max_buffer, eviction)
        self.next_number = 0

    @rule(values=st.lists(st.integers(-3, 3), min_size=1, max_size=8), times=st.integers(1, 60))
    def put(self, values: list[int], times: int) -> None:
        every = [float(value) for value in values] * times
        numbers = range(self.next_number, self.next_number + len(every))
        self.next_number += len(every)
        self.stream.put(*numbers, priorities=every)
        time_ms = self.stream.engine.state.last_seq >> SEQ_TIME_SHIFT
        events = [(time_ms, value, number) for value, number in zip(every, numbers, strict=True)]
        self.oracle.put(events, self.clock.wall_ms())

    @rule(milliseconds=st.sampled_from((0, 1, 500, 1000, 4999, 60_000)))
    def wait(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds / 1000)

    @rule(rows_max=st.sampled_from((1, 7, 1 << 40)))
    def evict(self, rows_max: int) -> None:
        self.stream.evict(rows_max)

    @rule()
    def reopen(self) -> None:
        self.stream.reopen()

    @rule(retention=st.integers(1, 5), max_buffer=st.integers(1, 30), eviction=st.sampled_from(ORDERS))
    def set_options(self, retention: int, max_buffer: int, eviction: Eviction) -> None:
        self.stream.alter(retention_seconds=retention, max_buffer=max_buffer, eviction=eviction)
        self.oracle.expire(self.clock.wall_ms())
        self.oracle.retention_ms, self.oracle.max_buffer = retention * 1000, max_buffer
        self.oracle.eviction = eviction
        self.oracle.make_room(self.clock.wall_ms())

    @invariant()
    def shows_what_the_oracle_does(self) -> None:
        if not hasattr(self, "oracle"):
            return
        now_ms = self.clock.wall_ms()
        assert self.stream.numbers() == self.oracle.numbers(now_ms)
        assert self.stream.partition.rows <= self.oracle.max_buffer
        assert visible(self.stream.table, self.stream.partition, now_ms).rows == len(self.oracle.numbers(now_ms))
        assert self.stream.partition.hot_rows <= 2 * max(self.oracle.max_buffer, LEFT_ROWS_MIN) + 480

    def teardown(self) -> None:
        if hasattr(self, "stream"):
            self.stream.engine.close()
            self.directory.cleanup()
