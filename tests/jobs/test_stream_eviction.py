"""Evictions of streams: when to look, which events go, and that many of them are no failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.executor import Step
from jobs.executors.stream_eviction import StreamEvictionExecutor
from jobs.ledger import JobRecord, JobType, Trigger
from jobs.outcome import Completed, Continue, Outcome, Skipped
from jobs.planning.eviction_pace import EVENTS_AT_ONCE, Arrivals, DueTimes, pace_seconds
from jobs.planning.eviction_planner import EvictionPlanner
from jobs.planning.schedule import plan_flushes
from jobs.settings import JobSettings
from jobs.targets import table_parameters
from storage.catalog.table_options import Eviction, TableOptions
from storage.clock import ManualClock
from storage.settings import StorageSettings
from storage.state.edits import Edit
from tests.storage.stream_furniture import NAME, Stream

SETTINGS = JobSettings(eviction_seconds_min=2.0, eviction_seconds_max=50.0, eviction_rows_max=100)


@pytest.fixture
def stream(tmp_path, clock: ManualClock) -> Iterator[Stream]:
    made = Stream(tmp_path / "data", clock, max_buffer=1000)
    yield made
    made.engine.close()


def step(stream: Stream, rows: int = 0) -> Step:
    record = JobRecord(
        job_id="SE-1",
        job_type=JobType.STREAM_EVICTION,
        target=str(NAME),
        trigger=Trigger.SCHEDULE,
        priority=1,
        created_ms=0,
        parameters=table_parameters(stream.table),
        rows=rows,
    )
    return Step(record, 0, lambda: False, lambda _: None)


# --- pace ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events_per_second", "seconds"),
    [(0, 50), (1, 50), (EVENTS_AT_ONCE / 49, 49), (EVENTS_AT_ONCE / 10, 10), (EVENTS_AT_ONCE, 2), (1e9, 2)],
)
def test_the_pace_follows_the_rate_at_which_events_come_between_its_bounds(events_per_second, seconds):
    assert pace_seconds(TableOptions(), events_per_second, SETTINGS) == pytest.approx(seconds)


def test_an_eviction_interval_of_the_table_is_kept_to_whatever_comes():
    options = TableOptions(eviction_interval_seconds=600)
    assert [pace_seconds(options, rate, SETTINGS) for rate in (0, 5, 1e9)] == [600, 600, 600]


def test_the_rate_is_measured_between_two_looks():
    arrivals = Arrivals()
    assert arrivals.rate(1, 1000, now_seconds=5) == 0
    assert arrivals.rate(1, 1600, now_seconds=8) == 200
    assert arrivals.rate(1, 1600, now_seconds=8) == 0, "no time has passed"
    assert arrivals.rate(1, 0, now_seconds=9) == 0, "counted anew after a restart"
    arrivals.keep({})
    assert arrivals.rate(1, 10_000, now_seconds=10) == 0


def test_due_times_come_in_order_and_only_as_they_were_put_last():
    due = DueTimes()
    due.put(1, 30)
    due.put(2, 10)
    due.put(3, 20)
    due.put(2, 40)
    assert due.next_seconds() == 20
    assert list(due.taken(19.9)) == []
    assert list(due.taken(30)) == [3, 1]
    assert (len(due), 2 in due, 3 in due) == (1, True, False)
    due.put(1, 35)
    due.keep({1: None})
    assert due.next_seconds() == 35
    assert list(due.taken(100)) == [1]
    assert due.next_seconds() is None


# --- the planner -----------------------------------------------------------------------------------------------


def test_a_stream_is_looked_at_when_it_is_due_and_wished_for_when_an_event_is_past_its_retention(stream: Stream):
    planner = EvictionPlanner(stream.engine, SETTINGS)
    stream.put(1)
    assert planner.look() == []
    assert planner.pause_seconds() == SETTINGS.eviction_seconds_min
    stream.clock.advance(2)
    assert planner.look() == [], "the event is not past its retention"
    stream.clock.advance(49.9)
    assert planner.look() == [], "the stream is not due: its events come slowly"
    stream.clock.advance(0.1)
    [wish] = planner.look()
    assert (wish.job_type, wish.target, wish.trigger) == (JobType.STREAM_EVICTION, str(NAME), Trigger.SCHEDULE)
    assert planner.look() == []


def test_a_busy_stream_is_looked_at_more_often_than_a_quiet_one(stream: Stream):
    stream.alter(max_buffer=100_000)
    planner = EvictionPlanner(stream.engine, SETTINGS)
    planner.look()
    wished_at = []
    for second in range(45):
        stream.put(*range(second * 1000, second * 1000 + 1000))
        stream.clock.advance(1)
        wished_at += [second + 1] * len(planner.look())
    assert wished_at == [22, 42], "1000 a second make it due every 20 s, not every 50"


def test_a_new_interval_acts_at_once_and_a_dropped_stream_is_forgotten(stream: Stream):
    planner = EvictionPlanner(stream.engine, SETTINGS)
    stream.put(1)
    planner.look()
    stream.clock.advance(20)
    assert len(planner.look()) == 1
    stream.alter(eviction_interval_seconds=3)
    stream.put(2)
    assert planner.look() == []
    stream.clock.advance(15)
    assert len(planner.look()) == 1
    stream.engine.commit(Edit(catalog=lambda catalog: catalog.without_table(NAME)))
    stream.clock.advance(15)
    assert planner.look() == []
    assert len(planner._due) == 0


def test_streams_that_fill_their_limit_are_evicted_without_waiting_for_their_time(stream: Stream):
    stream.put(*range(1000))
    stream.clock.advance(11)
    planner = EvictionPlanner(stream.engine, SETTINGS)
    assert planner.look() == []
    stream.engine.settings = StorageSettings(stream_bytes_max=20_000)
    assert [wish.trigger for wish in planner.look()] == [Trigger.SIZE]


def test_tables_of_other_kinds_and_fifo_streams_are_never_looked_at(stream: Stream):
    stream.alter(eviction=Eviction("fifo"))
    stream.put(1)
    stream.clock.advance(3600)
    planner = EvictionPlanner(stream.engine, SETTINGS)
    assert planner.look() == []
    stream.clock.advance(3600)
    assert planner.look() == []


def test_a_stream_is_never_registered_for_a_flush_whatever_presses(stream: Stream):
    stream.put(*range(1000))
    stream.clock.advance(3600)
    for hot_bytes_max in (1 << 30, stream.engine.state.hot_bytes, 0):
        assert list(plan_flushes(stream.engine.state, stream.clock.wall_ms(), hot_bytes_max)) == []


# --- the job ---------------------------------------------------------------------------------------------------


def test_more_expired_events_than_a_batch_are_evicted_batch_by_batch_without_counting_as_failures(stream: Stream):
    first_ms = stream.clock.wall_ms()
    stream.put(*range(150))
    stream.clock.advance(1)
    stream.put(*range(150, 230))
    stream.clock.advance(10.5)
    stream.put(1000, 1001)
    execute = StreamEvictionExecutor(stream.engine, SETTINGS)
    outcomes: list[Outcome] = []
    rows = 0
    while not outcomes or isinstance(outcomes[-1], Continue):
        outcomes.append(execute(step(stream, rows)))
        rows += outcomes[-1].figures.rows  # type: ignore[union-attr]
    assert [type(outcome) for outcome in outcomes] == [Continue, Continue, Completed]
    figures = outcomes[0].figures + outcomes[1].figures + outcomes[2].figures  # type: ignore[union-attr]
    assert (figures.rows, figures.reason) == (230, "ttl")
    assert (figures.oldest_ms, figures.newest_ms) == (first_ms, first_ms + 1000)
    assert figures.bytes > 230 * 8
    assert stream.numbers(hidden=True) == [1000, 1001]
    assert outcomes[2].message == "230 events past the retention"  # type: ignore[union-attr]


def test_an_eviction_with_nothing_to_do_says_so(stream: Stream):
    execute = StreamEvictionExecutor(stream.engine, SETTINGS)
    assert execute(step(stream)) == Skipped("no event is past the retention")
    stream.alter(eviction=Eviction("fifo"))
    assert execute(step(stream)) == Skipped("no event leaves a fifo stream before there is no room for it")


def test_an_eviction_takes_nothing_that_came_after_it_looked(stream: Stream):
    stream.put(1)
    stream.clock.advance(10.001)
    plan_time = stream.partition
    stream.put(2)
    assert plan_time.rows == 1
    assert StreamEvictionExecutor(stream.engine, SETTINGS)(step(stream)).figures.rows == 1  # type: ignore[union-attr]
    assert stream.numbers() == [2]
