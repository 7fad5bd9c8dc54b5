"""The registry maps each kind of job to its executor. A new one is a file of its own and a line here."""

from __future__ import annotations

from jobs.executor import Executor
from jobs.executors.backup import BackupExecutor
from jobs.executors.cleanup import CleanupExecutor
from jobs.executors.compact import CompactExecutor
from jobs.executors.flush import FlushExecutor
from jobs.executors.job_cleanup import JobCleanupExecutor
from jobs.executors.move_files import MoveFilesExecutor
from jobs.executors.restore import RestoreExecutor
from jobs.executors.retention import RetentionExecutor
from jobs.executors.scrub import ScrubExecutor
from jobs.executors.stream_eviction import StreamEvictionExecutor
from jobs.executors.sweep import SweepExecutor
from jobs.executors.user_cleanup import UserCleanupExecutor
from jobs.ledger import JobType, Ledger
from jobs.settings import JobSettings
from storage.database_time import SettledClock
from storage.engine import Engine


def executors_of(engine: Engine, ledger: Ledger, settings: JobSettings, user_grace_ms: int) -> dict[JobType, Executor]:
    """user_grace_ms: for which a dropped user can be brought back."""
    return {
        JobType.FLUSH: FlushExecutor(engine),
        JobType.COMPACT: CompactExecutor(engine),
        JobType.RETENTION: RetentionExecutor(engine),
        JobType.BACKUP: BackupExecutor(engine),
        JobType.RESTORE: RestoreExecutor(engine),
        JobType.STREAM_EVICTION: StreamEvictionExecutor(engine, settings),
        JobType.CLEANUP: CleanupExecutor(engine),
        JobType.JOB_CLEANUP: JobCleanupExecutor(ledger, settings, SettledClock(engine.time, engine.clock)),
        JobType.USER_CLEANUP: UserCleanupExecutor(engine, user_grace_ms),
        JobType.MOVE_FILES: MoveFilesExecutor(engine),
        JobType.SWEEP: SweepExecutor(engine),
        JobType.SCRUB: ScrubExecutor(engine),
    }
