"""Ledger keeps every job, live and finished, in memory and on disk; it is shown as `system.jobs`.

Promises: a record is on disk before the step that it announces begins. Assumes one writer (the manager); readers
on any thread get whole records, because a record is never changed, only replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from jobs.outcome import Figures
from jobs.states import FINISHED, LIVE, JobState, check_step
from storage.errors import Corruption, NotFound
from storage.failpoints import reach


class JobType(StrEnum):
    """Kept in the ledger by name: never rename one."""

    FLUSH = "flush"
    COMPACT = "compact"
    CLEANUP = "cleanup"
    RETENTION = "retention"
    STREAM_EVICTION = "stream_eviction"
    USER_CLEANUP = "user_cleanup"
    MOVE_FILES = "move_files"
    BACKUP = "backup"
    RESTORE = "restore"
    SWEEP = "sweep"
    SCRUB = "scrub"
    JOB_CLEANUP = "job_cleanup"


ID_PREFIX: Final = {
    JobType.FLUSH: "FL",
    JobType.COMPACT: "CO",
    JobType.CLEANUP: "CL",
    JobType.RETENTION: "RT",
    JobType.STREAM_EVICTION: "SE",
    JobType.USER_CLEANUP: "UC",
    JobType.MOVE_FILES: "MF",
    JobType.BACKUP: "BK",
    JobType.RESTORE: "RS",
    JobType.SWEEP: "SW",
    JobType.SCRUB: "SC",
    JobType.JOB_CLEANUP: "JC",
}


class Trigger(StrEnum):
    """Why a job came to be."""

    SCHEDULE = "schedule"
    SIZE = "size"
    USER = "user"


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `system.jobs`.

    target:      what it works on, a table's full name or "database"
    parameters:  what its executor needs to know, as text
    progress:    0..1, None when unknown
    rows, bytes, files: moved or removed so far
    reason:      why its rows had to go, "" when there is nothing to choose from
    oldest_ms, newest_ms: the earliest and the latest time of the rows that it was about, None when not told
    attempts:    failed tries so far
    priority:    higher runs first
    *_ms:        since 1970 UTC; None = not yet
    """

    job_id: str
    job_type: JobType
    target: str
    trigger: Trigger
    priority: int
    created_ms: int
    parameters: dict[str, str] = {}
    status: JobState = JobState.QUEUED
    message: str = ""
    error: str = ""
    progress: float | None = None
    rows: int = 0
    bytes: int = 0
    files: int = 0
    reason: str = ""
    oldest_ms: int | None = None
    newest_ms: int | None = None
    attempts: int = 0
    started_ms: int | None = None
    finished_ms: int | None = None

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    def moved(self, to: JobState, **changes: object) -> JobRecord:
        """This record in state `to`. Raises ForbiddenStep."""
        check_step(self.job_id, self.status, to)
        return msgspec.structs.replace(self, status=to, **changes)

    def replaced(self, **changes: object) -> JobRecord:
        """This record in the same state, with other values."""
        return msgspec.structs.replace(self, **changes)

    def with_figures(self, figures: Figures) -> JobRecord:
        """Figures added to those so far."""
        return self.replaced(**asdict(self.figures + figures))

    @property
    def figures(self) -> Figures:
        """Those so far."""
        return Figures(self.rows, self.bytes, self.files, self.reason, self.oldest_ms, self.newest_ms)


class LedgerStore(Protocol):
    """What the ledger needs of the storage engine: a durable map from job id to bytes."""

    def put_job(self, job_id: str, record: bytes) -> None: ...
    def jobs(self) -> Iterable[tuple[str, bytes]]: ...
    def delete_jobs(self, job_ids: Iterable[str]) -> None: ...


class Ledger:
    """All jobs by id. `store` may block; `records` and `get` never do."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store
        self._records: dict[str, JobRecord] = {}

    def load(self) -> None:
        """Read what is on disk. Raises Corruption naming the job whose record does not read."""
        for job_id, data in self._store.jobs():
            try:
                self._records[job_id] = msgspec.json.decode(data, type=JobRecord)
            except msgspec.MsgspecError as error:
                raise Corruption(f"the record of job '{job_id}' can't be read: {error}") from error

    def put(self, record: JobRecord) -> None:
        """Remember `record`, on disk first. Raises StorageUnavailable; memory is then as before."""
        reach("ledger.before_put")
        self._store.put_job(record.job_id, msgspec.json.encode(record))
        reach("ledger.after_put")
        self._records[record.job_id] = record

    def note(self, record: JobRecord) -> None:
        """Show `record` without writing it: progress, or when the disk refuses."""
        self._records[record.job_id] = record

    def get(self, job_id: str) -> JobRecord:
        """Raises NotFound."""
        found = self._records.get(job_id)
        if found is None:
            raise NotFound(f"job '{job_id}' does not exist; system.jobs lists all", sqlstate="42704")
        return found

    def records(self) -> list[JobRecord]:
        """All jobs, oldest first."""
        return sorted(self._records.copy().values(), key=lambda r: (r.created_ms, len(r.job_id), r.job_id))

    def live(self) -> Iterator[JobRecord]:
        return (record for record in self.records() if record.is_live)

    def purge(self, finished_before_ms: int, kept_max: int, at_once: int = 1000) -> int:
        """Forget jobs that finished earlier, and the oldest ones beyond `kept_max`, but no more than `at_once`.

        Returns how many. Raises StorageUnavailable; all are then as before.
        """
        finished = [record for record in self.records() if record.status in FINISHED]
        too_many = max(0, len(finished) - kept_max)
        old = [r for n, r in enumerate(finished) if n < too_many or (r.finished_ms or 0) < finished_before_ms][:at_once]
        if old:
            self._store.delete_jobs([record.job_id for record in old])
            reach("ledger.after_delete")
        for record in old:
            del self._records[record.job_id]
        return len(old)
