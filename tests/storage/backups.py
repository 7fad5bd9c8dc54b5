"""Backups and restores in one line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage.backup.folder_target import BackupFolder
from storage.backup.record import BackupRecord
from storage.backup.restore import restore_into
from storage.backup.take_backup import take_backup
from storage.engine import Engine
from tests.support import storage_builders as furniture
from tests.support.storage_builders import never


def backup(engine: Engine, folder: Path, stop: Callable[[], bool] = never) -> BackupRecord:
    return take_backup(engine, BackupFolder(folder), "1.2.3", stop, lambda _: None)


def restore(directory: Path, folder: Path, backup_id: str | None = None) -> BackupRecord:
    return restore_into(directory, BackupFolder(folder), backup_id, never, lambda _: None)


def contents(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> its live rows."""
    tables = engine.state.catalog.tables.values()
    return {str(t.name): sorted((row["k"], row["v"]) for row in furniture.read(engine, t)) for t in tables}
