"""A step of every thread that others wait for raises: nobody waits for ever, and what comes after it goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
import trio
import trio.testing

from flight_server.access.login.passwords import Passwords, prepare_root
from flight_server.access.principal import Principal
from flight_server.query.results.result_shape import Shape
from flight_server.query.results.running_query import QueryLoop, RunningQuery
from flight_server.sql.interface.request import Request
from jobs.ledger import JobType, Trigger
from jobs.outcome import Completed
from jobs.settings import JobSettings
from jobs.states import JobState
from storage.clock import ManualClock
from storage.commit.change_feed import ChangeListener
from storage.engine import Engine
from storage.errors import Conflict, FrostlineError, StorageUnavailable
from storage.failpoints import LOOPS, arm, disarm
from storage.loops import attempt, forever
from storage.settings import StorageSettings
from storage.state.edits import Edit
from storage.state.partition_change import PartitionChange
from tests.jobs.with_engine import LONG, counts, insert, jobs_over, make_table
from tests.support.flight_client import wait_until
from tests.support.in_process import House, house
from tests.support.job_builders import Scripted
from tests.support.job_builders import running as running_jobs
from tests.support.storage_builders import insert as insert_rows
from tests.support.storage_builders import make_table as storage_table
from tests.support.storage_builders import opened, values
from tests.wire.conftest import start

SECONDS_MAX = 30
KINDS = (MemoryError, KeyError, RecursionError, SystemExit, Conflict)
FIRST = (*KINDS[:2], Conflict)
AFTER_ITS_WRITE = "commit.before_publish"


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    disarm()


def once(point: str, kind: type[BaseException]) -> threading.Event:
    """Raise there the next time, and not again. Set when it was."""
    raised = threading.Event()

    def act() -> None:
        if not raised.is_set():
            raised.set()
            raise kind("by a test")

    arm(point, act)
    return raised


def test_every_loop_is_tried_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [loop for loop in sorted(LOOPS) if f'"{loop}"' not in text] == []


# --- the helper ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_goes_on_after_whatever_a_step_raises(kind: type[BaseException]):
    steps: list[int] = []
    told: list[BaseException] = []

    def step() -> bool:
        steps.append(len(steps))
        if len(steps) == 2:
            raise kind("by a test")
        return len(steps) < 4

    def failed(error: BaseException) -> None:
        told.append(error)
        raise kind("once more")

    forever("test", step, failed)
    assert (steps, [type(error) for error in told]) == ([0, 1, 2, 3], [kind])
    assert not attempt("test", lambda: failed(ValueError()))
    assert attempt("test", lambda: None)


# --- the committer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["loop.committer", AFTER_ITS_WRITE])
@pytest.mark.parametrize("kind", KINDS)
def test_when_the_committer_fails_all_that_wait_are_told_and_reads_go_on(
    point: str, kind: type[BaseException], tmp_path: Path
):
    with opened(tmp_path) as engine:
        table = storage_table(engine)
        insert_rows(engine, table, (1, "before"))
        raised = once(point, kind)

        def write(number: int) -> BaseException | None:
            try:
                insert_rows(engine, table, (number, "x"))
            except BaseException as error:
                return error
            return None

        with ThreadPoolExecutor(20) as threads:
            told = [threads.submit(write, number) for number in range(2, 22)]
            errors = [one.result(SECONDS_MAX) for one in told]
        assert raised.is_set()
        refused = [error for error in errors if error is not None]
        assert {type(error) for error in refused} == {StorageUnavailable}
        assert {error.sqlstate for error in refused if isinstance(error, FrostlineError)} == {"58030"}
        assert "the committer failed" in str(write(99))
        assert engine.health == "the committer failed"
        assert not engine.row_store.is_full
        assert 1 in values(engine, table)
        assert engine.committer.between_commits(lambda state: state.last_seq) == engine.state.last_seq
    with opened(tmp_path) as engine:
        assert engine.health == "ok"
        assert 1 in values(engine, table)


def test_an_end_that_fails_is_an_end(tmp_path: Path):
    engine = Engine.open(tmp_path, StorageSettings(), ManualClock())
    table = storage_table(engine)
    once("loop.committer", MemoryError)
    with pytest.raises(StorageUnavailable):
        insert_rows(engine, table, (1, "x"))
    closing = threading.Thread(target=engine.close, daemon=True)
    closing.start()
    closing.join(SECONDS_MAX)
    assert not closing.is_alive()


def test_a_hearer_that_fails_loses_the_rest_and_knows_it(tmp_path: Path):
    class Deaf:
        lost: str | None = None

        def on_change(self, change: PartitionChange) -> None:
            raise MemoryError

        def on_gap(self, reason: str) -> None:
            self.lost = reason

    with opened(tmp_path) as engine:
        table = storage_table(engine)
        deaf = Deaf()
        listener: ChangeListener = deaf
        listening = engine.committer.listen(table.partition_id, listener)
        insert_rows(engine, table, (1, "x"))
        assert (deaf.lost, values(engine, table)) == ("one of them could not be told", [1])
        engine.feed.end(listening)


# --- calls and housekeeping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["loop.calls", "loop.housekeeping"])
@pytest.mark.parametrize("kind", FIRST)
def test_the_watch_over_calls_goes_on(point: str, kind: type[BaseException]):
    server = start(statement_seconds_max=5.0)
    try:
        raised = once(point, kind)
        server.sessions.leave(server.sessions.enter("s", Principal("ann", "user")))
        server.clock.advance(3600)
        wait_until(lambda: raised.is_set() and not list(server.sessions), SECONDS_MAX)
    finally:
        server.service.shut_down(0)


# --- live queries ----------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as rooms:
        root = prepare_root(rooms.engine.state.catalog, "a password", Passwords(), rooms.clock.wall_ms()).record
        assert root is not None
        rooms.engine.commit(Edit(catalog=lambda catalog: catalog.with_user(root)))
        rooms.do(rooms.enter(), "CREATE TABLE t (id BIGINT PRIMARY KEY)")
        yield rooms


def listening(home: House) -> pa.RecordBatchReader:
    reader = home.statements.run(Request(home.enter(), "SUBSCRIBE TO SELECT id FROM t")).start()
    assert reader.read_next_batch() is not None
    return reader


@pytest.mark.parametrize("kind", KINDS)
def test_live_queries_end_with_an_error_and_others_can_begin(home: House, kind: type[BaseException]):
    reader = listening(home)
    once("loop.live_queries", kind)
    home.do(home.enter(), "INSERT INTO t VALUES (1)")
    with ThreadPoolExecutor(1) as threads, pytest.raises(FrostlineError, match="subscribe again"):
        threads.submit(lambda: list(reader)).result(SECONDS_MAX)
    again = listening(home)
    home.do(home.enter(), "INSERT INTO t VALUES (2)")
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(again.read_next_batch).result(SECONDS_MAX).num_rows


# --- queries ---------------------------------------------------------------------------------------------------

STREAMED = "SELECT value FROM generate_series(1, 3000000)"


@pytest.mark.parametrize("kind", [MemoryError, Conflict])
def test_a_stream_that_fails_tells_its_reader(home: House, kind: type[BaseException]):
    once("loop.query_stream", kind)
    session = home.enter()
    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(FrostlineError):
            threads.submit(home.do, session, STREAMED).result(SECONDS_MAX)
        assert threads.submit(home.do, session, STREAMED).result(SECONDS_MAX).num_rows == 3_000_000


def test_an_error_that_can_not_be_mapped_reaches_the_reader_all_the_same():
    class Broken:
        def __aiter__(self) -> Broken:
            return self

        async def __anext__(self) -> None:
            raise ValueError("by a test")

    def unmapped(error: BaseException) -> FrostlineError:
        raise MemoryError

    loop = QueryLoop()
    schema = pa.schema([("a", pa.int64())])
    shape = Shape(schema, 1 << 20)
    query = RunningQuery(loop.loop, Broken(), shape, unmapped, 1 << 20)
    with ThreadPoolExecutor(1) as threads, pytest.raises(FrostlineError, match="not foreseen"):
        threads.submit(lambda: list(query.batches())).result(SECONDS_MAX)
    loop.close()


def test_the_loop_of_queries_runs_on_when_a_callback_ends_it(home: House):
    loop = home.statements._execution.services.queries._loop.loop

    def end() -> None:
        raise SystemExit

    loop.call_soon_threadsafe(end)
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(home.do, home.enter(), STREAMED).result(SECONDS_MAX).num_rows == 3_000_000


# --- jobs ------------------------------------------------------------------------------------------------------

BY_EXCEPTION = [MemoryError, KeyError, RecursionError, Conflict]


@pytest.mark.parametrize("point", ["loop.flush_planner", "loop.planner", "loop.manifest_copies"])
@pytest.mark.parametrize("kind", [MemoryError, Conflict])
def test_planners_look_again(point: str, kind: type[BaseException], tmp_path: Path):
    async def main(engine: Engine) -> None:
        name = make_table(engine, policy=LONG)
        raised = once(point, kind)
        settings = JobSettings(flush_check_seconds=0.1)
        async with jobs_over(engine, settings) as (manager, schedule), trio.open_nursery() as nursery:
            nursery.start_soon(schedule.run)
            with trio.fail_after(SECONDS_MAX):
                while not raised.is_set():
                    await trio.sleep(0.01)
                await trio.to_thread.run_sync(insert, engine, name, 10)
                for job_id in await schedule.submit_due_flushes(everything=True):
                    await manager.wait(job_id)
            assert counts(engine, name) == (0, 10, 1)
            nursery.cancel_scope.cancel()

    with opened(tmp_path) as engine:
        trio.run(main, engine)


def test_while_jobs_can_not_be_started_health_says_so_and_then_they_are():
    async def main() -> None:
        async with running_jobs({JobType.FLUSH: Scripted(Completed("done"))}) as manager:
            assert manager.health == "ok"
            raised = once("loop.jobs", MemoryError)
            job_id = await manager.submit(JobType.FLUSH, "public.t", trigger=Trigger.USER)
            while not raised.is_set():
                await trio.sleep(0.01)
            assert manager.health == "jobs can't be started"
            assert (await manager.wait(job_id)).status is JobState.COMPLETED
            assert manager.health == "ok"

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.02))


@pytest.mark.parametrize("kind", BY_EXCEPTION)
def test_a_job_that_breaks_off_has_failed_and_the_next_one_runs(kind: type[BaseException]):
    async def main() -> None:
        executor = Scripted(Completed("done"), Completed("done"))
        async with running_jobs({JobType.FLUSH: executor}) as manager:
            once("loop.job", kind)
            states = []
            for _ in range(2):
                job_id = await manager.submit(JobType.FLUSH, "public.t", trigger=Trigger.USER)
                with trio.fail_after(SECONDS_MAX):
                    states.append((await manager.wait(job_id)).status)
            assert states == [JobState.FAILED, JobState.COMPLETED]

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.02))


def test_a_signal_in_the_main_thread_is_not_taken_for_a_failed_step():
    def interrupted() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forever("test", interrupted)
    with pytest.raises(KeyboardInterrupt):
        attempt("test", interrupted)
