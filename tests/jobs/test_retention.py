"""RT- jobs over a real engine: due ones are found, figures add up, and a crash between steps loses nothing."""

from __future__ import annotations

from typing import Any

import trio

from jobs.ledger import JobType, Trigger
from jobs.planner import table_wish
from jobs.planning.planners import due_purges
from jobs.settings import JobSettings
from jobs.states import JobState
from storage.catalog.schema import TableDef
from storage.clock import ManualClock
from storage.engine import Engine
from tests.jobs.with_engine import jobs_over
from tests.support.storage_builders import delete, files_on_disk, flush, insert, make_table, now, partition, values


def filled(engine: Engine, **options: Any) -> TableDef:
    """Rows 0-9 in one file, 10-19 in another, 20-29 hot."""
    table = make_table(engine, **options)
    for start in (0, 10, 20):
        insert(engine, table, *((n, f"row {n}") for n in range(start, start + 10)))
        if start < 20:
            flush(engine, table)
    return table


def test_a_job_purges_all_that_is_expired_and_tells_what_it_did(engine: Engine, clock: ManualClock):
    table = filled(engine, deleted_retention_seconds=3600)
    first_ms = clock.wall_ms()
    delete(engine, table, "k", 1, 21)
    clock.advance(60)
    delete(engine, table, "k", 11, 12)

    async def main() -> None:
        async with jobs_over(engine) as (manager, schedule):
            assert list(due_purges(engine)) == []
            clock.advance(2 * 3600)
            [wish] = due_purges(engine)
            assert (wish.job_type, wish.target) == (JobType.RETENTION, "public.t")
            job_id = await schedule.submit(wish)
            assert job_id is not None
            assert job_id.startswith("RT-")
            record = await manager.wait(job_id)
            assert (record.status, record.rows, record.files) == (JobState.COMPLETED, 4, 2)
            assert (record.reason, record.oldest_ms, record.newest_ms) == ("retention", first_ms, first_ms + 60_000)
            assert record.message == "4 deleted versions purged, 2 files rewritten"
            assert list(due_purges(engine)) == []
            again = await schedule.submit(wish)
            assert again is not None
            assert (await manager.wait(again)).status is JobState.SKIPPED

    trio.run(main)
    left = partition(engine, table)
    assert len(left.deletes) == 0
    assert values(engine, table) == [n for n in range(30) if n not in (1, 11, 12, 21)]
    assert files_on_disk(engine) == {file.path for file in left.cold}


def test_the_planner_purges_by_itself_and_removes_files_that_a_reader_held(engine: Engine, clock: ManualClock):
    table = filled(engine, deleted_retention_seconds=0)
    held = engine.snapshot()

    async def main() -> None:
        settings = JobSettings(retention_check_seconds=0.02)
        async with jobs_over(engine, settings) as (_, schedule), trio.open_nursery() as loops:
            loops.start_soon(schedule.run)
            await trio.to_thread.run_sync(delete, engine, table, "k", 1, 11)
            clock.advance(1)
            await trio.sleep(0.1)
            assert len(partition(engine, table).deletes) == 2  # the snapshot is from before the deletes
            held.close()
            with engine.snapshot(), trio.fail_after(20):
                while len(partition(engine, table).deletes):
                    await trio.sleep(0.02)
            with trio.fail_after(20):
                while files_on_disk(engine) != {file.path for file in partition(engine, table).cold}:
                    await trio.sleep(0.02)
            loops.cancel_scope.cancel()

    trio.run(main)


def test_a_killed_job_stops_between_steps_with_all_rows_whole(engine: Engine, clock: ManualClock):
    table = filled(engine, deleted_retention_seconds=0)
    delete(engine, table, "k", 1, 11, 21)
    clock.advance(1)
    wish = table_wish(JobType.RETENTION, now(engine, table))

    async def main() -> None:
        async with jobs_over(engine) as (manager, _):
            job_id = await manager.submit(
                wish.job_type, wish.target, trigger=Trigger.USER, parameters=dict(wish.parameters)
            )
            await manager.cancel(job_id)
            assert (await manager.wait(job_id)).status in (JobState.CANCELLED, JobState.COMPLETED)

    trio.run(main)
    assert values(engine, table) == [n for n in range(30) if n not in (1, 11, 21)]
