"""CL- jobs remove the rows, files and records of dropped tables; see `cleanup` of storage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jobs.executor import Step
from jobs.ledger import JobType
from jobs.outcome import Completed, Continue, Figures, Outcome
from jobs.planner import JobRequest
from storage.catalog.partition_ids import table_of_partition
from storage.engine import Engine
from storage.errors import StorageUnavailable
from storage.maintenance.cleanup import clean_dropped

_PARTITION_ID: Final = "partition_id"
LOAD_WAIT_SECONDS: Final = 0.5
STORAGE_WAIT_SECONDS: Final = 30.0  # for one that can't be reached: nothing is lost meanwhile


class CleanupExecutor:
    """Some files a step, so that other jobs get their turns while a large table goes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        """Never fails for a storage that can't be reached: what is left is still on record."""
        record = step.record
        count = not record.progress
        try:
            cleaned = clean_dropped(self._engine, int(record.parameters[_PARTITION_ID]), count=count)
        except StorageUnavailable as error:
            return Continue(after_seconds=STORAGE_WAIT_SECONDS, message=f"waits: {error.message}")
        if cleaned.is_waiting:
            message = "waits for the end of a load into the table"
            return Continue(after_seconds=LOAD_WAIT_SECONDS, message=message)
        figures = Figures(bytes=cleaned.bytes, files=cleaned.files)
        whole = record.figures + figures
        if cleaned.is_done:
            return Completed(f"{whole.files} files with {whole.bytes} bytes removed", figures)
        files_all = record.files + cleaned.files_before if count else record.files / (record.progress or 1)
        return Continue(figures, progress=min(0.99, whole.files / max(files_all, 1)))


def due_cleanups(engine: Engine) -> Iterator[JobRequest]:
    """Tables that are dropped and not gone. The id tells apart those that had one name after the other."""
    for dropped in engine.dropped():
        target = f"{dropped.table or 'table'}#{table_of_partition(dropped.partition_id)}"
        yield JobRequest(JobType.CLEANUP, target, parameters={_PARTITION_ID: str(dropped.partition_id)})
