"""BK- jobs copy the whole database, as it is at one moment, to a backup target; see `take_backup`."""

from __future__ import annotations

from importlib.metadata import version

from jobs.executor import Step
from jobs.outcome import Completed, Figures, Outcome
from storage.backup.allowed_targets import allowed_target
from storage.backup.take_backup import take_backup
from storage.engine import Engine


class BackupExecutor:
    """One step. Taken up again after a crash it makes a backup of a later moment, from what it had copied by then."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        """Raises as `take_backup`, and PermissionDenied when the place is not allowed any more."""
        engine = self._engine
        target = allowed_target(engine, step.record.parameters["uri"])
        record = take_backup(engine, target, version("frostline"), step.cancelled, step.report)
        told = f"backup {record.backup_id}: {len(record.files)} files with {record.bytes} bytes"
        new = f"{record.files_written} of them with {record.bytes_written} bytes were new"
        return Completed(f"{told}; {new}", Figures(bytes=record.bytes_written, files=record.files_written))
