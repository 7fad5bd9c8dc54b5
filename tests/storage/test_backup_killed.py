"""Backups and restores that are killed: a whole backup or none, a whole database or a refusal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from storage.backup.folder_target import BackupFolder
from storage.backup.target import listed
from storage.errors import InvalidRequest
from tests.storage.backup_and_restore import POINTS
from tests.storage.backups import backup, contents, restore
from tests.support import storage_builders as furniture
from tests.support.server_process import REPOSITORY


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders by fail point: what there was when a backup or a restore was killed there."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.storage.backup_and_restore", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, timeout=120, check=True)
    return folder


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("backup.")])
def test_a_backup_killed_at_any_step_is_whole_or_none(point: str, killed: Path):
    folder = killed / point
    with furniture.opened(folder / "data") as engine:
        assert not list((folder / "data").glob("checkpoint.*"))
        before = contents(engine)
        if not list(listed(BackupFolder(folder / "backups"))):
            backup(engine, folder / "backups")
    restore(folder / "again", folder / "backups")
    with furniture.opened(folder / "again") as restored:
        assert contents(restored) == before


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("restore.")])
def test_a_restore_killed_at_any_step_is_finished_at_the_start_or_refused(point: str, killed: Path):
    folder = killed / point
    if point in ("restore.after_file", "restore.before_ready"):
        with pytest.raises(InvalidRequest, match="run frostline restore again"), furniture.opened(folder / "new"):
            pass
        restore(folder / "new", folder / "backups")
    with furniture.opened(folder / "data") as engine, furniture.opened(folder / "new") as restored:
        assert contents(restored) == contents(engine)
    assert sorted(path.name for path in (folder / "new").iterdir()) == ["cold", "frostline.lock", "rows"]
