"""Cleanup jobs over a real engine: after DROP by themselves, after a crash too; and the cleanup of the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from jobs.executor import Step
from jobs.executors.cleanup import CleanupExecutor
from jobs.executors.job_cleanup import JobCleanupExecutor
from jobs.ledger import JobRecord, JobType, Ledger, Trigger
from jobs.outcome import Completed, Continue, Figures, Skipped
from jobs.settings import JobSettings
from jobs.states import JobState
from storage.clock import DAY_MS, ManualClock
from storage.engine import Engine
from storage.errors import StorageUnavailable
from storage.failpoints import arm, disarm
from storage.maintenance import cleanup
from tests.jobs.with_engine import insert, jobs_over, make_table
from tests.support.job_builders import MemoryLedgerStore, Scripted, running
from tests.support.server_process import ServerProcess
from tests.support.storage_builders import drop, files_on_disk, flush, opened


def with_schedule(engine: Engine, act: Callable[[], object], jobs: int) -> list[JobRecord]:
    """Run planners and workers while `act` works on a thread; the first `jobs` cleanups, once they are finished."""
    found: list[JobRecord] = []

    async def main() -> None:
        async with jobs_over(engine) as (manager, schedule), trio.open_nursery() as loops:
            loops.start_soon(schedule.run)
            await trio.to_thread.run_sync(act)
            with trio.fail_after(20):
                while len(found) < jobs:
                    await trio.sleep(0.01)
                    cleanups = [r for r in manager.ledger.records() if r.job_type is JobType.CLEANUP]
                    found[:] = [r for r in cleanups if not r.is_live]
            loops.cancel_scope.cancel()

    trio.run(main)
    return found


def dropped_table(engine: Engine) -> int:
    """A table with rows hot and cold that is dropped again; its id."""
    name = make_table(engine)
    table = engine.state.catalog.table(name)
    for _ in range(3):
        insert(engine, name, 5)
        flush(engine, table)
    insert(engine, name, 5)
    drop(engine, table)
    return table.table_id


def test_what_a_dropped_table_left_goes_soon_by_a_job_for_each(engine: Engine):
    ids: list[int] = []
    records = with_schedule(engine, lambda: ids.extend(dropped_table(engine) for _ in range(2)), jobs=2)
    assert {record.target for record in records} == {f"public.t#{number}" for number in ids}
    for record in records:
        assert (record.status, record.files, record.trigger) == (JobState.COMPLETED, 3, Trigger.SCHEDULE)
        assert record.message == f"3 files with {record.bytes} bytes removed"
        assert record.job_id.startswith("CL-")
    assert (engine.dropped(), files_on_disk(engine)) == ([], set())


def test_a_cleanup_that_a_crash_prevented_is_done_after_the_next_start(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path / "d", clock) as engine:
        dropped_table(engine)
    with opened(tmp_path / "d", clock) as engine:
        [record] = with_schedule(engine, lambda: None, jobs=1)
        assert (record.status, engine.dropped()) == (JobState.COMPLETED, [])


def test_a_large_table_goes_in_steps_that_tell_how_far_they_are(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cleanup.clean_dropped, "__kwdefaults__", {"count": False, "files_at_once": 1})
    shares: list[float | None] = []
    put = Ledger.put

    def noting(ledger: Ledger, record: JobRecord) -> None:
        if record.job_type is JobType.CLEANUP and record.status is JobState.RUNNING:
            shares.append(record.progress)
        put(ledger, record)

    monkeypatch.setattr(Ledger, "put", noting)
    [record] = with_schedule(engine, lambda: dropped_table(engine), jobs=1)
    assert (record.files, record.attempts, record.progress) == (3, 0, 1.0)
    assert shares == [None, pytest.approx(1 / 3), pytest.approx(2 / 3)]
    assert cleanup.FILES_AT_ONCE > 1


def test_a_cleanup_waits_out_a_storage_that_can_not_be_reached(engine: Engine):
    table_id = dropped_table(engine)
    record = msgspec.structs.replace(finished(1, 0), parameters={"partition_id": str(table_id)}, files=0)
    executor = CleanupExecutor(engine)

    def refuse() -> None:
        raise StorageUnavailable("storage 'far' can't be reached")

    arm("cleanup.before_remove", refuse)
    try:
        outcome = executor(step_of(record))
    finally:
        disarm()
    assert isinstance(outcome, Continue)
    assert (outcome.message, outcome.after_seconds > 1) == ("waits: storage 'far' can't be reached", True)
    assert isinstance(executor(step_of(record)), Completed)
    assert (engine.dropped(), files_on_disk(engine)) == ([], set())


def finished(number: int, finished_ms: int) -> JobRecord:
    return JobRecord(
        job_id=f"FL-{number}",
        job_type=JobType.FLUSH,
        target="public.t",
        trigger=Trigger.SIZE,
        priority=1,
        created_ms=number,
        status=JobState.COMPLETED,
        finished_ms=finished_ms,
    )


def test_finished_jobs_are_forgotten_after_their_time_and_beyond_their_number(clock: ManualClock):
    store = MemoryLedgerStore()
    ledger = Ledger(store)
    for number in range(1, 2501):
        ledger.put(finished(number, clock.wall_ms() - (31 if number <= 2100 else 29) * DAY_MS))
    executor = JobCleanupExecutor(ledger, JobSettings(finished_kept_max=300), clock)
    record = finished(9999, 0)
    for rows in (1000, 1000):
        outcome = executor(step_of(record))
        assert outcome == Continue(Figures(rows=rows))
        record = record.with_figures(outcome.figures)
    assert executor(step_of(record)) == Completed("2200 finished jobs forgotten", Figures(rows=200))
    assert sorted(store.written) == [f"FL-{number}" for number in range(2201, 2501)]
    assert isinstance(executor(step_of(finished(1, 0))), Skipped)
    clock.advance(2 * 86_400)
    assert executor(step_of(finished(1, 0))) == Completed("300 finished jobs forgotten", Figures(rows=300))
    assert store.written == {}


def step_of(record: JobRecord) -> Step:
    return Step(record, 0, lambda: False, lambda _: None)


def test_a_job_of_many_steps_ends_with_the_message_of_its_last():
    async def main() -> None:
        executor = Scripted(Continue(), Completed("7 files with 9 bytes removed"))
        async with running({JobType.CLEANUP: executor}, store=MemoryLedgerStore()) as manager:
            record = await manager.wait(await manager.submit(JobType.CLEANUP, "t#1", trigger=Trigger.SCHEDULE))
            assert record.message == "7 files with 9 bytes removed"

    trio.run(main)


def test_every_way_to_drop_a_table_is_followed_by_its_cleanup(server: ServerProcess):
    with server.connect() as connection, connection.cursor() as cursor:
        for name in ("n.a", "n.b", "n.again"):
            cursor.execute(f"CREATE NAMESPACE IF NOT EXISTS n; CREATE TABLE {name} (k BIGINT PRIMARY KEY)")
            cursor.execute(f"INSERT INTO {name} VALUES (1), (2)")
            cursor.execute(f"FLUSH TABLE {name}")
            [(job_id, *_)] = cursor.fetchall()
            cursor.execute(f"WAIT FOR JOB '{job_id}'")
            cursor.fetchall()
        cursor.execute("DROP TABLE n.a")
        cursor.execute("CREATE OR REPLACE TABLE n.again (k BIGINT PRIMARY KEY)")
        cursor.execute("INSERT INTO n.again VALUES (1)")  # nobody has the key any more, at once
        assert cleaned(cursor, 2) == ["n.a", "n.again"]
        cursor.execute("DROP NAMESPACE n CASCADE")
        assert cleaned(cursor, 4) == ["n.a", "n.again", "n.again", "n.b"]
        [(job_id,)] = rows_of(cursor, "SELECT min(job_id) FROM system.jobs WHERE job_type = 'cleanup'")
        [(*_, status, _, _)] = rows_of(cursor, f"KILL JOB '{job_id}'")
        assert status == "completed"
    assert list((server.data / "cold").rglob("*.parquet")) == []


def cleaned(cursor: Any, jobs: int) -> list[str]:
    """Names of the tables that were cleaned up, once there are so many."""
    sql = "SELECT target FROM system.jobs WHERE job_type = 'cleanup' AND status = 'completed'"
    deadline = time.monotonic() + 30
    while len(found := rows_of(cursor, sql)) < jobs and time.monotonic() < deadline:
        time.sleep(0.05)
    return sorted(target.partition("#")[0] for (target,) in found)


def rows_of(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
