"""Jobs over a real engine: planners, executors and the door for other threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from jobs.client import JobClient
from jobs.ledger import JobType, Trigger
from jobs.planning.schedule import plan_flushes
from jobs.settings import JobSettings
from jobs.states import JobState
from storage.catalog.names import TableName, table_name
from storage.catalog.table_options import FlushPolicy
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Cancelled, NotFound
from storage.settings import StorageSettings
from tests.jobs.with_engine import counts, finished, insert, jobs_over, make_table, through_the_door


def test_flush_table_moves_its_rows_and_an_empty_table_makes_no_file(engine: Engine):
    name = make_table(engine)
    insert(engine, name, 5)

    def calls(door: JobClient) -> None:
        [asked] = door.submit_flush(name)
        record = finished(door, asked)
        assert (record.status, record.rows, record.files) == (JobState.COMPLETED, 5, 1)
        assert record.message == "5 rows into 1 file"
        assert record.bytes > 0
        assert counts(engine, name) == (0, 5, 1)
        [asked] = door.submit_flush(name)
        record = finished(door, asked)
        assert (record.status, record.rows, record.message) == (JobState.COMPLETED, 0, "no hot rows")
        assert counts(engine, name) == (0, 5, 1)

    through_the_door(engine, calls)


def test_flush_all_makes_a_job_for_each_table_with_hot_rows(engine: Engine):
    full, other, empty = make_table(engine, "a"), make_table(engine, "b"), make_table(engine, "c")
    insert(engine, full, 1)
    insert(engine, other, 1)

    def calls(door: JobClient) -> None:
        asked = door.submit_flush(None, "public")
        assert {record.target for record in asked} == {str(full), str(other)}
        for record in asked:
            assert finished(door, record).status is JobState.COMPLETED
        assert list(door.submit_flush(None)) == []
        assert {record.target for record in door.rows()} == {str(full), str(other)}
        with pytest.raises(NotFound, match="nowhere"):
            door.submit_flush(None, "nowhere")
        with pytest.raises(NotFound, match="missing"):
            door.submit_flush(table_name("public", "missing"))
        with pytest.raises(NotFound, match="CO-9"):
            door.kill("CO-9")

    through_the_door(engine, calls)
    assert counts(engine, empty) == (0, 0, 0)


def test_compact_table_merges_all_files_and_then_has_nothing_to_do(engine: Engine):
    name = make_table(engine)

    def calls(door: JobClient) -> None:
        for _ in range(3):
            insert(engine, name, 4)
            finished(door, door.submit_flush(name)[0])
        assert counts(engine, name) == (0, 12, 3)
        record = finished(door, door.submit_compact(name))
        assert (record.status, record.rows, record.files) == (JobState.COMPLETED, 12, 1)
        assert counts(engine, name) == (0, 12, 1)
        assert finished(door, door.submit_compact(name)).status is JobState.SKIPPED

    through_the_door(engine, calls)


def test_a_flush_of_a_table_that_was_dropped_meanwhile_is_skipped(engine: Engine):
    name = make_table(engine)
    insert(engine, name, 5)

    async def main() -> None:
        async with jobs_over(engine) as (manager, _):
            parameters = {"table_id": "999999"}
            job_id = await manager.submit(JobType.FLUSH, str(name), trigger=Trigger.USER, parameters=parameters)
            assert (await manager.wait(job_id)).status is JobState.SKIPPED

    trio.run(main)


def test_waiting_ends_when_the_caller_goes_away(engine: Engine):
    def calls(door: JobClient) -> None:
        name = make_table(engine)
        [asked] = door.submit_flush(name)
        with pytest.raises(Cancelled, match=asked.job_id):
            door.wait_for(asked.job_id, lambda: True)

    through_the_door(engine, calls)


def test_the_planner_flushes_by_rows_soon_after_the_commit_and_by_interval_later(engine: Engine, clock: ManualClock):
    by_rows = make_table(engine, "r", FlushPolicy(rows=10, interval_seconds=10_000, bytes=1 << 30))
    by_interval = make_table(engine, "i", FlushPolicy(rows=1000, interval_seconds=60, bytes=1 << 30))

    async def until(name: TableName, cold_rows: int) -> None:
        with trio.fail_after(20):
            while counts(engine, name)[1] != cold_rows:
                await trio.sleep(0.01)

    async def main() -> None:
        async with jobs_over(engine, JobSettings(flush_check_seconds=0.05)) as (manager, schedule):
            async with trio.open_nursery() as loops:
                loops.start_soon(schedule.run)
                await trio.to_thread.run_sync(insert, engine, by_rows, 9)
                await trio.to_thread.run_sync(insert, engine, by_interval, 9)
                await trio.sleep(0.3)
                assert counts(engine, by_rows) == (9, 0, 0)
                await trio.to_thread.run_sync(insert, engine, by_rows, 1)
                await until(by_rows, 10)
                clock.advance(61)
                await until(by_interval, 9)
                loops.cancel_scope.cancel()
            flushes = [record for record in manager.ledger.records() if record.job_type is JobType.FLUSH]
            assert {(record.target, record.trigger) for record in flushes} == {
                (str(by_rows), Trigger.SIZE),
                (str(by_interval), Trigger.SCHEDULE),
            }

    trio.run(main)


def test_nothing_is_planned_below_the_limits_and_all_of_it_under_pressure(engine: Engine, clock: ManualClock):
    small, large = make_table(engine, "small"), make_table(engine, "large")
    insert(engine, small, 10)
    insert(engine, large, 1000)
    state, now_ms = engine.state, clock.wall_ms()
    assert list(plan_flushes(state, now_ms, hot_bytes_max=1 << 30)) == []
    assert [wish.table.name for wish in plan_flushes(state, now_ms, hot_bytes_max=state.hot_bytes)] == [large]
    assert {wish.table.name for wish in plan_flushes(state, now_ms, hot_bytes_max=0)} == {small, large}


def test_due_flushes_can_be_submitted_by_hand_for_a_shutdown(engine: Engine):
    name = make_table(engine)
    insert(engine, name, 7)

    async def main() -> None:
        async with jobs_over(engine) as (manager, schedule):
            assert await schedule.submit_due_flushes() == []
            [job_id] = await schedule.submit_due_flushes(everything=True)
            assert (await manager.wait(job_id)).rows == 7

    trio.run(main)


def test_the_ledger_is_there_after_a_restart(tmp_path: Path, clock: ManualClock):
    def life(act: Callable[[Engine, JobClient], None]) -> None:
        engine = Engine.open(tmp_path / "d", StorageSettings(), clock)
        try:
            through_the_door(engine, lambda door: act(engine, door))
        finally:
            engine.close()

    def first(engine: Engine, door: JobClient) -> None:
        name = make_table(engine)
        insert(engine, name, 3)
        finished(door, door.submit_flush(name)[0])

    def second(engine: Engine, door: JobClient) -> None:
        [record] = door.rows()
        assert (record.status, record.rows, record.trigger) == (JobState.COMPLETED, 3, Trigger.USER)
        again = finished(door, door.submit_flush(table_name("public", "t"))[0])
        assert again.job_id != record.job_id

    life(first)
    life(second)


def test_a_sweep_job_tells_what_it_removed(engine: Engine):
    name = make_table(engine)
    insert(engine, name, 3)

    async def main() -> None:
        async with jobs_over(engine) as (manager, schedule):
            [flush] = await schedule.submit_due_flushes(everything=True)
            await manager.wait(flush)
            orphan = engine.files.root / "public" / "t" / "2020-01-01T00-00-00-1.parquet"
            orphan.write_bytes(b"left by a crash")
            record = await manager.wait(await manager.submit(JobType.SWEEP, "database", trigger=Trigger.SCHEDULE))
            assert (record.status, record.files, record.bytes) == (JobState.COMPLETED, 1, 15)
            assert not orphan.exists()
            assert counts(engine, name) == (0, 3, 1)

    trio.run(main)
