"""SW- jobs: remove what no manifest and no snapshot names, and old entries of the ledger."""

from __future__ import annotations

from typing import Final

from jobs.executor import Step
from jobs.ledger import Ledger
from jobs.outcome import Completed, Figures, Outcome
from jobs.settings import JobSettings
from storage.engine import Engine

DAY_MS: Final = 86_400_000


class SweepExecutor:
    """One step; safe to repeat, as it only ever removes what is already unreachable."""

    def __init__(self, engine: Engine, ledger: Ledger, settings: JobSettings) -> None:
        self._engine = engine
        self._ledger = ledger
        self._settings = settings

    def __call__(self, step: Step) -> Outcome:
        swept = self._engine.sweep_now()
        before_ms = self._engine.clock.wall_ms() - self._settings.finished_kept_days * DAY_MS
        forgotten = self._ledger.purge(before_ms, self._settings.finished_kept_max)
        message = f"{swept.files} files removed, {forgotten} finished jobs forgotten"
        return Completed(message, Figures(bytes=swept.bytes, files=swept.files))
