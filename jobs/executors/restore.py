"""RS- jobs stage a backup in this server's data directory, beside what it serves. See `storage.backup.restore`.

While it runs nothing can be written, and when it is done neither, until the server is restarted: what is staged takes
the place of an empty database, so it has to stay empty.
"""

from __future__ import annotations

from typing import Final

from jobs.executor import Step
from jobs.outcome import Completed, Failed, Figures, Outcome
from storage.backup.allowed_targets import allowed_target
from storage.backup.restore import check_empty, stage
from storage.data_directory import forget_staged
from storage.engine import Engine
from storage.errors import NotFound

UNDER_WAY: Final = "a backup is being restored"
STAGED: Final = "a restored database waits for a restart of the server"


class RestoreExecutor:
    """One step, repeated from its beginning after a crash."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        """Raises as `stage`, InvalidRequest when the database is not empty, and PermissionDenied for the place."""
        engine, parameters = self._engine, step.record.parameters
        if engine.checkpoints.restart_wanted:
            return Completed(f"{engine.checkpoints.restart_wanted} already")
        target = allowed_target(engine, parameters["uri"])
        forget_staged(engine.directory)
        engine.checkpoints.freeze(check_empty, UNDER_WAY)
        try:
            record = stage(engine.directory, target, parameters["backup_id"], step.cancelled, step.report)
        except BaseException as error:
            engine.checkpoints.thaw()
            if isinstance(error, NotFound):  # somebody removed the backup meanwhile
                return Failed(error.message)
            raise
        engine.checkpoints.await_restart(STAGED)
        told = f"backup {record.backup_id} with {len(record.files)} files is in place; restart the server to serve it"
        return Completed(told, Figures(bytes=record.bytes, files=len(record.files)))
