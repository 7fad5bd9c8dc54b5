"""EvictionPlanner plans stream evictions: of streams that are due, and of all while they fill their limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from jobs.ledger import JobType, Trigger
from jobs.planner import JobRequest, Planner, table_wish
from jobs.planning.eviction_pace import Arrivals, DueTimes, pace_seconds
from jobs.settings import JobSettings
from storage.catalog.schema import TableDef
from storage.engine import Engine
from storage.maintenance.eviction import plan_eviction
from storage.state.state import DatabaseState
from storage.state.stream_retention import expires

PAUSE_SECONDS_MIN: Final = 0.05
PRESSURE_SHARE: Final = 0.7  # of `stream_bytes_max`: from here on no pace is waited for


class EvictionPlanner:
    """Remembers when each stream is due. One look at a time."""

    def __init__(self, engine: Engine, settings: JobSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._due = DueTimes()
        self._arrivals = Arrivals()
        self._intervals: dict[int, int] = {}  # as `eviction_interval` was when the stream became due next

    def planner(self) -> Planner:
        return Planner("stream_eviction", self.look, self.pause_seconds)

    def look(self) -> list[JobRequest]:
        """Evictions to be done now."""
        state, now_seconds = self._engine.state, self._engine.clock.monotonic_seconds()
        streams = {table.table_id: table for table in state.catalog.tables.values() if expires(table)}
        self._follow(state, streams, now_seconds)
        wishes = [wish for table_id in self._due.taken(now_seconds) for wish in self._at(state, streams[table_id])]
        if state.stream_bytes < self._engine.settings.stream_bytes_max * PRESSURE_SHARE:
            return wishes
        return [*wishes, *(wish for table in streams.values() for wish in self._wish(state, table, Trigger.SIZE))]

    def pause_seconds(self) -> float:
        """Until the next one is due, but not so long that a new stream would have to wait."""
        due_seconds = self._due.next_seconds()
        longest = self._settings.eviction_seconds_min
        if due_seconds is None:
            return longest
        return min(max(due_seconds - self._engine.clock.monotonic_seconds(), PAUSE_SECONDS_MIN), longest)

    def _follow(self, state: DatabaseState, streams: Mapping[int, TableDef], now_seconds: float) -> None:
        """New streams, and those whose `eviction_interval` was changed, are due as if they had been looked at now."""
        self._due.keep(streams)
        self._arrivals.keep(streams)
        self._intervals = {table_id: pace for table_id, pace in self._intervals.items() if table_id in streams}
        for table_id, table in streams.items():
            pace = table.options.eviction_interval_seconds
            if self._intervals.get(table_id) != pace:
                self._intervals[table_id] = pace
                self._arrivals.rate(table_id, state.partition(table.partition_id).buffer.arrived, now_seconds)
                self._due.put(table_id, now_seconds + (pace or self._settings.eviction_seconds_min))

    def _at(self, state: DatabaseState, table: TableDef) -> Iterator[JobRequest]:
        now_seconds = self._engine.clock.monotonic_seconds()
        arrived = state.partition(table.partition_id).buffer.arrived
        rate = self._arrivals.rate(table.table_id, arrived, now_seconds)
        self._due.put(table.table_id, now_seconds + pace_seconds(table.options, rate, self._settings))
        yield from self._wish(state, table, Trigger.SCHEDULE)

    def _wish(self, state: DatabaseState, table: TableDef, trigger: Trigger) -> Iterator[JobRequest]:
        partition = state.partition(table.partition_id)
        now_ms = self._engine.time.settled().ageing(partition.oldest_hot_ms)
        if plan_eviction(table, partition, now_ms, rows_max=1) is not None:
            yield table_wish(JobType.STREAM_EVICTION, table, trigger)
