"""Jobs of type backup and restore: killed on the way, refused, and what they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.client import JobClient
from jobs.ledger import JobRecord
from jobs.states import JobState
from storage import failpoints
from storage.backup.folder_target import BackupFolder
from storage.backup.record import BackupRecord
from storage.backup.target import listed
from storage.clock import ManualClock
from storage.data_directory import RESTORE_PART, RESTORE_READY
from storage.engine import Engine
from storage.settings import StorageSettings
from tests.jobs.with_engine import finished, insert, make_table, through_the_door

Opened = Callable[[str], Engine]


@pytest.fixture
def opened(tmp_path: Path, clock: ManualClock) -> Iterator[Opened]:
    """Opens engines that may have backups in the test's folder."""
    engines = []

    def open_(name: str) -> Engine:
        engines.append(Engine.open(tmp_path / name, StorageSettings(backup_directories=(str(tmp_path),)), clock))
        return engines[-1]

    yield open_
    failpoints.disarm()
    for engine in engines:
        engine.close()


def ended(door: JobClient, job_type: str, folder: Path, **parameters: str) -> JobRecord:
    uri = f"file://{folder}"
    return finished(door, door.submit(job_type, uri, {"uri": uri, **parameters}))


def killing(door: JobClient) -> Callable[[], None]:
    """Kills the one job that runs, from within it, once."""

    def kill() -> None:
        failpoints.disarm()
        [live] = [record for record in door.rows() if record.is_live]
        door.kill(live.job_id)

    return kill


def test_a_backup_that_is_killed_ends_between_two_files_and_is_in_no_list(opened: Opened, tmp_path: Path):
    engine, folder = opened("data"), tmp_path / "backups"
    insert(engine, make_table(engine), 10)

    def calls(door: JobClient) -> None:
        failpoints.arm("backup.after_file", killing(door), nth=2)
        assert ended(door, "backup", folder).status is JobState.CANCELLED
        assert list(listed(BackupFolder(folder))) == []
        assert not list(engine.directory.glob("checkpoint.*"))
        record = ended(door, "backup", folder)
        assert record.status is JobState.COMPLETED
        assert (record.progress, record.files > 0, record.bytes > 0) == (1.0, True, True)
        [found] = listed(BackupFolder(folder))
        assert isinstance(found, BackupRecord)
        assert found.backup_id in record.message

    through_the_door(engine, calls)


def test_a_place_that_is_not_allowed_any_more_fails_the_job(engine: Engine, tmp_path: Path):
    def calls(door: JobClient) -> None:
        record = ended(door, "backup", tmp_path / "backups")
        assert (record.status, "backup_directories" in record.error) == (JobState.FAILED, True)

    through_the_door(engine, calls)


def test_a_restore_that_fails_or_is_killed_leaves_a_server_that_takes_writes(opened: Opened, tmp_path: Path):
    engine, fresh, folder = opened("data"), opened("fresh"), tmp_path / "backups"
    insert(engine, make_table(engine), 10)
    through_the_door(engine, lambda door: ended(door, "backup", folder))
    [backup] = listed(BackupFolder(folder))
    assert isinstance(backup, BackupRecord)
    staged = fresh.directory / RESTORE_PART

    def calls(door: JobClient) -> None:
        failpoints.arm("restore.after_file", killing(door))
        assert ended(door, "restore", folder, backup_id=backup.backup_id).status is JobState.CANCELLED
        assert not staged.exists()
        assert ended(door, "restore", folder, backup_id="another").status is JobState.FAILED
        insert(fresh, make_table(fresh), 1)
        staged.mkdir()  # what a crash of a restore leaves beside a database
        record = ended(door, "restore", folder, backup_id=backup.backup_id)
        assert (record.status, "not empty" in record.error) == (JobState.FAILED, True)

    through_the_door(fresh, calls)
    assert not staged.exists()
    assert not (fresh.directory / RESTORE_READY).exists()
    assert fresh.health == "ok"
