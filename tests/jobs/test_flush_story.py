"""When tables are flushed, by which jobs, and how those end: the planner, the manager and a real engine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from jobs.ledger import JobRecord, JobType, Ledger, Trigger
from jobs.manager import JobManager
from jobs.planning.schedule import Schedule
from jobs.settings import JobSettings
from jobs.states import FINISHED, TRANSITIONS, JobState
from storage.catalog.names import TableName
from storage.catalog.table_options import FlushPolicy
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import NotSupported, StorageUnavailable
from storage.failpoints import VARIABLE, arm, disarm
from tests.faults.mixed_load import gone_quietly
from tests.jobs.with_engine import counts, insert, jobs_over, make_table
from tests.support.server_process import ServerProcess
from tests.support.storage_builders import drop, files_on_disk, values

LONG_MS = 10_000_000


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    disarm()


def policy(rows: int = LONG_MS, interval_seconds: int = LONG_MS) -> FlushPolicy:
    return FlushPolicy(rows=rows, interval_seconds=interval_seconds, bytes=1 << 40)


def flush_what_is_due(engine: Engine) -> list[JobRecord]:
    """One look of the planner, and the jobs that it led to once they are finished."""
    records: list[JobRecord] = []

    async def main() -> None:
        async with jobs_over(engine) as (manager, schedule):
            records.extend([await manager.wait(job_id) for job_id in await schedule.submit_due_flushes()])

    trio.run(main)
    assert all(record.status is JobState.COMPLETED for record in records)
    return records


def test_time_trigger(engine: Engine, clock: ManualClock):
    name = make_table(engine, "t", policy(interval_seconds=60))
    insert(engine, name, 3)
    clock.advance(59)
    assert flush_what_is_due(engine) == []
    assert counts(engine, name) == (3, 0, 0)
    clock.advance(1)
    [record] = flush_what_is_due(engine)
    assert (record.rows, record.trigger, counts(engine, name)) == (3, Trigger.SCHEDULE, (0, 3, 1))


def test_row_count_trigger(engine: Engine):
    name = make_table(engine, "t", policy(rows=10))
    insert(engine, name, 9)
    assert flush_what_is_due(engine) == []
    insert(engine, name, 1)
    [record] = flush_what_is_due(engine)
    assert (record.rows, record.trigger, counts(engine, name)) == (10, Trigger.SIZE, (0, 10, 1))


def test_dual_triggers_or_logic(engine: Engine, clock: ManualClock):
    """Whichever limit is reached first flushes; the other need not be."""
    both = policy(rows=10, interval_seconds=60)
    by_rows, by_time, neither = (make_table(engine, name, both) for name in ("r", "i", "n"))
    insert(engine, by_rows, 10)
    insert(engine, by_time, 1)
    assert [record.target for record in flush_what_is_due(engine)] == [str(by_rows)]
    clock.advance(60)
    insert(engine, neither, 9)
    assert [record.target for record in flush_what_is_due(engine)] == [str(by_time)]
    assert [counts(engine, name)[0] for name in (by_rows, by_time, neither)] == [0, 0, 9]


def test_flush_scheduler_counter_reset(engine: Engine, clock: ManualClock):
    """After a flush rows are counted from none, and the time from the first row that came since."""
    name = make_table(engine, "t", policy(rows=10, interval_seconds=60))
    insert(engine, name, 10)
    assert len(flush_what_is_due(engine)) == 1
    clock.advance(100)
    assert flush_what_is_due(engine) == []
    insert(engine, name, 9)
    clock.advance(59)
    assert flush_what_is_due(engine) == []
    clock.advance(1)
    assert [record.rows for record in flush_what_is_due(engine)] == [9]
    insert(engine, name, 10)
    assert [record.rows for record in flush_what_is_due(engine)] == [10]
    assert counts(engine, name) == (0, 29, 3)


def test_flush_empty_table(engine: Engine):
    name = make_table(engine)

    async def main() -> None:
        async with jobs_over(engine) as (manager, schedule):
            assert await schedule.submit_due_flushes(everything=True) == []
            record = await manager.wait(await asked(manager, name))
            assert (record.status, record.rows, record.files) == (JobState.COMPLETED, 0, 0)
            assert record.message == "no hot rows"

    trio.run(main)
    assert files_on_disk(engine) == set()


async def asked(manager: JobManager, name: TableName) -> str:
    """A user's FLUSH TABLE."""
    state = manager._executors[JobType.FLUSH]._engine.state  # type: ignore[attr-defined]
    parameters = {"table_id": str(state.catalog.table(name).table_id)}
    return await manager.submit(JobType.FLUSH, str(name), trigger=Trigger.USER, parameters=parameters)


class Held:
    """Holds whoever comes to a fail point, until it is opened."""

    def __init__(self, point: str) -> None:
        self.inside = 0
        self.inside_max = 0
        self.opened = threading.Event()
        self._lock = threading.Lock()
        arm(point, self._hold)

    def _hold(self) -> None:
        with self._lock:
            self.inside += 1
            self.inside_max = max(self.inside_max, self.inside)
        assert self.opened.wait(60)
        with self._lock:
            self.inside -= 1

    async def until(self, inside: int) -> None:
        with trio.fail_after(60):
            while self.inside < inside:
                await trio.sleep(0.005)


def test_kill_job_cancellation(engine: Engine):
    """Queued: at once. Running: at its next step, its rows stay hot and it leaves no file. Cleanups: refused."""
    first, second = make_table(engine, "a"), make_table(engine, "b")
    insert(engine, first, 5)
    insert(engine, second, 5)
    gone = make_table(engine, "gone")
    drop(engine, engine.state.catalog.table(gone))

    async def main() -> None:
        held = Held("file.before_write")
        async with jobs_over(engine, JobSettings(concurrent_max=1)) as (manager, _):
            running = await asked(manager, first)
            await held.until(1)
            queued = await asked(manager, second)
            cleanup = await manager.submit(JobType.CLEANUP, "gone#1", trigger=Trigger.SCHEDULE)
            with pytest.raises(NotSupported, match="can't be cancelled"):
                await manager.cancel(cleanup)
            assert await manager.cancel(queued) is JobState.CANCELLED
            assert await manager.cancel(running) is JobState.RUNNING
            held.opened.set()
            assert (await manager.wait(running)).status is JobState.CANCELLED
            assert (counts(engine, first), counts(engine, second)) == ((5, 0, 0), (5, 0, 0))
            assert files_on_disk(engine) == set()
            again = await manager.wait(await asked(manager, first))
            assert (again.status, counts(engine, first)) == (JobState.COMPLETED, (0, 5, 1))

    trio.run(main)


def test_job_status_transitions(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    """Every step that a job takes is in the table, and each way to end is taken."""
    seen: dict[str, list[JobState]] = {}
    put = Ledger.put

    def noting(ledger: Ledger, record: JobRecord) -> None:
        seen.setdefault(record.job_id, []).append(record.status)
        put(ledger, record)

    monkeypatch.setattr(Ledger, "put", noting)
    name = make_table(engine)
    insert(engine, name, 5)
    failures = iter([StorageUnavailable("the disk is busy")])

    def fail_once() -> None:
        for error in failures:
            raise error

    async def main() -> None:
        settings = JobSettings(retry_seconds_first=0.01, attempts_max=2)
        async with jobs_over(engine, settings) as (manager, _):
            arm("flush.before_commit", fail_once)
            retried = await manager.wait(await asked(manager, name))
            assert (retried.status, retried.attempts, retried.rows) == (JobState.COMPLETED, 1, 5)
            insert(engine, name, 5)
            arm("flush.before_commit", always_fail)
            failed = await manager.wait(await asked(manager, name))
            assert (failed.status, failed.attempts, failed.error) == (JobState.FAILED, 2, "the disk is busy")
            disarm()
            skipped = await manager.submit(JobType.COMPACT, "x", trigger=Trigger.USER, parameters={"table_id": "999"})
            assert (await manager.wait(skipped)).status is JobState.SKIPPED

    trio.run(main)
    queued, running, retrying = JobState.QUEUED, JobState.RUNNING, JobState.RETRYING
    assert list(seen.values()) == [
        [queued, running, retrying, running, JobState.COMPLETED],
        [queued, running, retrying, running, JobState.FAILED],
        [queued, running, JobState.SKIPPED],
    ]
    assert all(to in TRANSITIONS[now] for states in seen.values() for now, to in pairwise(states))
    assert all(states[-1] in FINISHED for states in seen.values())


def always_fail() -> None:
    raise StorageUnavailable("the disk is busy")


def test_job_recovery_on_restart(tmp_path: Path):
    """The process is killed in the middle of a flush: the next one goes on with the same job, and no row is lost."""
    with ServerProcess(tmp_path / "data", environment={VARIABLE: "flush.before_commit:kill"}) as server:
        with gone_quietly(server.connect()) as connection, gone_quietly(connection.cursor()) as cursor:
            cursor.execute("CREATE TABLE t (a BIGINT)")
            cursor.execute("INSERT INTO t SELECT value FROM generate_series(1, 500)")
            with suppress(Exception):  # the answer may come too late
                cursor.execute("FLUSH TABLE t")
        assert server.wait() == -signal.SIGKILL
    with ServerProcess(tmp_path / "data") as server, server.connect() as connection, connection.cursor() as cursor:
        [(job_id,)] = rows_of(cursor, "SELECT job_id FROM system.jobs WHERE job_type = 'flush'")
        [(found, _, _, status, *_)] = rows_of(cursor, f"WAIT FOR JOB '{job_id}'")
        assert (found, status) == (job_id, "completed")
        assert rows_of(cursor, "SELECT count(*), count(DISTINCT a), sum(a) FROM t") == [(500, 500, 125_250)]
        assert rows_of(cursor, "SELECT sum(rows) FROM system.cold_files") == [(500,)]
        assert rows_of(cursor, f"SELECT attempts FROM system.jobs WHERE job_id = '{job_id}'") == [(0,)]


def rows_of(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def test_concurrent_flush_jobs(engine: Engine):
    """Several tables at a time, one job a table; who asks again meanwhile gets the same job; writers go on."""
    names = [make_table(engine, f"t{number}") for number in range(5)]
    for name in names:
        insert(engine, name, 10)

    async def main() -> None:
        held = Held("file.before_write")
        async with jobs_over(engine, JobSettings(concurrent_max=3)) as (manager, schedule):
            await run_all(manager, schedule, held)

    async def run_all(manager: JobManager, schedule: Schedule, held: Held) -> None:
        ids = await schedule.submit_due_flushes(everything=True)
        await held.until(3)
        assert await schedule.submit_due_flushes(everything=True) == ids
        for name in names:
            await trio.to_thread.run_sync(insert, engine, name, 1)
        held.opened.set()
        for job_id in ids:
            assert (await manager.wait(job_id)).status is JobState.COMPLETED
        assert held.inside_max == 3

    trio.run(main)
    for name in names:
        hot, cold, _ = counts(engine, name)
        assert hot + cold == 11
        assert values(engine, engine.state.catalog.table(name), "a") == sorted([*range(10), 0])
