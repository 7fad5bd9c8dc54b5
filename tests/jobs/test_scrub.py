"""Scrub jobs: what is damaged on disk is found and named without a query, and queries refuse it from then on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from jobs.client import JobClient
from jobs.ledger import JobType
from jobs.settings import JobSettings
from jobs.states import JobState
from storage.catalog.names import TableName, table_name
from storage.engine import Engine
from storage.errors import Cancelled, Corruption, NotFound
from storage.maintenance.scrub import scrub
from storage.state.state import ColdFile, live_files
from tests.jobs.with_engine import finished, insert, jobs_over, make_table, through_the_door
from tests.support.storage_builders import never


def flushed(engine: Engine, name: str) -> TableName:
    """A table with one cold file of 50 rows."""
    table = make_table(engine, name)
    insert(engine, table, 50)
    through_the_door(engine, lambda door: check_flushed(door, table))
    return table


def check_flushed(door: JobClient, table: TableName) -> None:
    assert finished(door, door.submit_flush(table)[0]).files == 1


def file_of(engine: Engine, name: TableName) -> ColdFile:
    (file,) = engine.state.partition(engine.state.catalog.table(name).partition_id).cold
    return file


def damage(engine: Engine, name: TableName) -> Path:
    """Flip a bit as a disk would: size and time of change stay."""
    path = engine.files.full(file_of(engine, name).path)
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return path


def test_a_scrub_of_whole_files_tells_how_many_it_read(engine: Engine):
    tables = [flushed(engine, "a"), flushed(engine, "b")]

    def calls(door: JobClient) -> None:
        record = finished(door, door.submit_scrub(None))
        assert record.job_id.startswith("SC-")
        assert (record.status, record.target, record.files) == (JobState.COMPLETED, "database", 2)
        assert record.bytes == sum(file_of(engine, name).bytes for name in tables)
        record = finished(door, door.submit_scrub(tables[0]))
        assert (record.status, record.target, record.files) == (JobState.COMPLETED, "public.a", 1)
        with pytest.raises(NotFound):
            door.submit_scrub(table_name("public", "missing"))

    through_the_door(engine, calls)


def test_a_damaged_file_is_named_in_the_jobs_and_in_the_log_and_refused_from_then_on(engine: Engine):
    good, bad = flushed(engine, "good"), flushed(engine, "bad")
    file = file_of(engine, bad)
    path = damage(engine, bad)
    engine.files.check(file.path, file.bytes, file.checksum)  # it looks as it did when it was right

    def calls(door: JobClient) -> None:
        assert finished(door, door.submit_scrub(good)).status is JobState.COMPLETED
        for target in (bad, None):
            record = finished(door, door.submit_scrub(target))
            assert record.status is JobState.FAILED
            assert "public.bad" in record.error
            assert path.name in record.error
            assert "good" not in record.error

    with structlog.testing.capture_logs() as logged:
        through_the_door(engine, calls)
    named = [(line["table"], line["file"]) for line in logged if line["event"] == "stored_data_damaged"]
    assert named == [("public.bad", path.name)] * 2
    with pytest.raises(Corruption, match=path.name):
        engine.files.check(file.path, file.bytes, file.checksum)


def test_a_missing_file_is_found_too(engine: Engine):
    bad = flushed(engine, "bad")
    path = engine.files.full(file_of(engine, bad).path)
    path.unlink()

    def calls(door: JobClient) -> None:
        record = finished(door, door.submit_scrub(None))
        assert (record.status, path.name in record.error) == (JobState.FAILED, True)

    through_the_door(engine, calls)


def test_a_scrub_ends_when_it_is_asked_to(engine: Engine):
    flushed(engine, "a")
    asked: list[Any] = []

    def at_second_look() -> bool:
        asked.append(None)
        return len(asked) > 1

    with pytest.raises(Cancelled):
        scrub(engine, None, at_second_look, lambda _: None)
    shares: list[float] = []
    assert scrub(engine, None, never, shares.append).files == 1
    assert shares == [1.0]


def test_all_is_scrubbed_at_its_interval(engine: Engine):
    flushed(engine, "a")

    async def main() -> None:
        settings = JobSettings(scrub_interval_seconds=0.05)
        async with jobs_over(engine, settings) as (manager, schedule), trio.open_nursery() as loops:
            loops.start_soon(schedule.run)
            with trio.fail_after(20):
                while not [r for r in manager.ledger.records() if r.job_type is JobType.SCRUB and r.files]:
                    await trio.sleep(0.01)
            loops.cancel_scope.cancel()

    trio.run(main)
    assert len(live_files(engine.state)) == 1
