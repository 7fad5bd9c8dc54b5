"""JC- jobs delete finished jobs that are too old or too many from the ledger."""

from __future__ import annotations

from typing import Final

from jobs.executor import Step
from jobs.ledger import Ledger
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.settings import JobSettings
from storage.clock import DAY_MS, Clock

JOBS_AT_ONCE: Final = 1000


class JobCleanupExecutor:
    """Some of them a step, oldest first. `rows` of its figures are jobs."""

    def __init__(self, ledger: Ledger, settings: JobSettings, clock: Clock) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock = clock

    def __call__(self, step: Step) -> Outcome:
        before_ms = self._clock.wall_ms() - self._settings.finished_kept_days * DAY_MS
        forgotten = self._ledger.purge(before_ms, self._settings.finished_kept_max, JOBS_AT_ONCE)
        if forgotten == JOBS_AT_ONCE:
            return Continue(Figures(rows=forgotten))
        whole = step.record.rows + forgotten
        if not whole:
            return Skipped("no finished job is old enough")
        return Completed(f"{whole} finished jobs forgotten", Figures(rows=forgotten))
