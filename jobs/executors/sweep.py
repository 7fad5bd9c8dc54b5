"""SW- jobs remove files that no manifest and no snapshot names."""

from __future__ import annotations

from jobs.executor import Step
from jobs.outcome import Completed, Figures, Outcome
from storage.engine import Engine
from storage.maintenance.sweep import sweep


class SweepExecutor:
    """One step; safe to repeat, as it only ever removes what is already unreachable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        swept = sweep(self._engine)
        return Completed(f"{swept.files} files removed", Figures(bytes=swept.bytes, files=swept.files))
