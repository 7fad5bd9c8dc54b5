"""S3 is away for an hour: writes go on until memory is full, nothing is lost, and afterwards all drains by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from jobs.ledger import JobType
from jobs.manager import JobManager
from jobs.planning.schedule import Schedule
from jobs.settings import JobSettings
from storage.catalog.schema import TableDef
from storage.catalog.table_options import FlushPolicy
from storage.clock import ManualClock
from storage.errors import LimitExceeded
from storage.maintenance.sweep import sweep
from tests.faults.s3_proxy import Fault
from tests.jobs.with_engine import jobs_over
from tests.storage.s3_furniture import S3_SETTINGS, Cloud, cloud
from tests.support.s3_endpoint import S3Endpoint
from tests.support.storage_builders import insert, make_table, never, now, opened, partition, values, verify_cold_files

MINUTES = 2  # between two looks
HOUR_LOOKS = 30
ROWS_AT_ONCE = 100
IMPATIENT = JobSettings(attempts_max=2, retry_seconds_first=0.001, retry_seconds_max=0.002)
SMALL = replace(S3_SETTINGS, s3_attempts_max=1, hot_bytes_max=120_000, write_wait_seconds_max=0.0)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[S3Endpoint]:
    with S3Endpoint() as endpoint:
        yield endpoint


class Writer:
    """Brings rows at each look, as long as there is room; remembers what was acknowledged."""

    def __init__(self, here: Cloud, table: TableDef) -> None:
        self._here = here
        self._table = table
        self.acknowledged: list[int] = []
        self.refused: list[str] = []

    def write(self) -> None:
        start = len(self.acknowledged)
        rows = range(start, start + ROWS_AT_ONCE)
        try:
            self._here.engine.wait_for_room(never)
        except LimitExceeded as error:
            self.refused.append(error.message)
            return
        insert(self._here.engine, self._table, *((n, "x" * 40) for n in rows))
        self.acknowledged += rows


async def a_while(clock: ManualClock, writer: Writer, manager: JobManager, schedule: Schedule) -> None:
    """Rows come in, the planner looks, and its jobs come to their end."""
    clock.advance(60 * MINUTES)
    await trio.to_thread.run_sync(writer.write)
    for job_id in await schedule.submit_due_flushes():
        await manager.wait(job_id)


def test_an_hour_without_s3(tmp_path: Path, endpoint: S3Endpoint, clock: ManualClock):
    directory = tmp_path / "data"
    with cloud(directory, endpoint, SMALL, clock) as here:
        policy = FlushPolicy(rows=100, interval_seconds=120, bytes=1 << 30)
        table = make_table(here.engine, storage="cloud", key=("k",), flush_policy=policy)
        writer = Writer(here, table)

        async def main() -> None:
            async with jobs_over(here.engine, IMPATIENT) as (manager, schedule):
                for _ in range(4):  # all is well
                    await a_while(clock, writer, manager, schedule)
                assert partition(here.engine, table).cold
                here.proxy.always(Fault(status=503))
                for _ in range(HOUR_LOOKS):
                    await a_while(clock, writer, manager, schedule)
                jobs = [job for job in manager.ledger.records() if job.job_type is JobType.FLUSH and job.error]
                assert jobs
                assert all("storage 'cloud' refused: it asks to slow down" in job.error for job in jobs)
                check_outage(here, table, writer)
                here.proxy.heal()
                for _ in range(3):
                    await a_while(clock, writer, manager, schedule)

        trio.run(main)
        check_drained(here, table, writer)
        settings = here.engine.settings
    with opened(directory, clock, settings) as again:
        found = partition(again, now(again, table))
        assert found.hot_rows + sum(file.rows for file in found.cold) == len(writer.acknowledged)


def check_outage(here: Cloud, table: TableDef, writer: Writer) -> None:
    """Memory filled up, then writes were refused; reads of what is hot went on, and nothing else broke."""
    assert len(writer.acknowledged) > 5 * ROWS_AT_ONCE  # writes went on for a while
    assert len(writer.refused) > 5
    assert "can't be flushed (storage 'cloud' refused: it asks to slow down (503))" in writer.refused[-1]
    assert here.engine.state.hot_bytes >= SMALL.hot_bytes_max
    assert here.engine.health == "ok"
    hot = {n for chunk in partition(here.engine, table).hot for n in chunk.batch.column("k").to_pylist()}
    assert hot == set(writer.acknowledged[-len(hot) :])


def check_drained(here: Cloud, table: TableDef, writer: Writer) -> None:
    engine = here.engine
    refused = len(writer.refused)
    writer.write()
    assert len(writer.refused) == refused  # there is room again
    assert values(engine, table) == writer.acknowledged
    assert engine.state.hot_bytes < SMALL.hot_bytes_max
    assert verify_cold_files(engine) == len(partition(engine, table).cold)
    sweep(engine)
    assert here.keys == {here.key(file) for file in partition(engine, table).cold}
