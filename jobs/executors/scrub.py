"""SC- jobs compare what is on disk with its checksums, without a query. See `storage.maintenance.scrub`."""

from __future__ import annotations

from typing import Final

import structlog

from jobs.executor import Step
from jobs.outcome import Completed, Failed, Figures, Outcome
from jobs.targets import DATABASE, table_of
from storage.engine import Engine
from storage.maintenance.scrub import ScrubResult, scrub

NAMED_MAX: Final = 10  # damaged files that the message names; the log has all

log = structlog.get_logger("jobs")


class ScrubExecutor:
    """One step over a table or everything. A job that found damage failed: somebody has to look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        """Raises Cancelled, and NotFound when the table was dropped meanwhile."""
        whole = step.record.target == DATABASE
        chosen = None if whole else {table_of(self._engine.state, step.record).table_id}
        figures = scrub(self._engine, chosen, step.cancelled, step.report)
        for damage in figures.damaged:
            log.error("stored_data_damaged", table=damage.table, file=damage.file, reason=damage.reason)
        if figures.damaged:
            return Failed(_told(figures))
        text = f"{figures.files} files with {figures.bytes} bytes are as they were written"
        return Completed(text, Figures(bytes=figures.bytes, files=figures.files))


def _told(figures: ScrubResult) -> str:
    named = [f"{d.table}: {d.reason}" for d in figures.damaged[:NAMED_MAX]]
    more = len(figures.damaged) - len(named)
    named += [f"and {more} more, see the log"] if more else []
    return f"{len(figures.damaged)} damaged of {figures.files} files; " + "; ".join(named)
