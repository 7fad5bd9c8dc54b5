"""RT- jobs: purge deleted versions older than their table's `deleted_retention`, hot and cold. A step is an edit.

When nothing is left to purge, the row store is told to rewrite what it keeps of the purged rows, its log included.
"""

from __future__ import annotations

from jobs.executor import Step
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.targets import table_of
from storage.engine import Engine
from storage.retention import PurgeFigures, is_clean, purge_step


class RetentionExecutor:
    """Goes on while anything is expired."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        """Raises as `purge_step`, and NotFound when the table was dropped meanwhile."""
        engine = self._engine
        table = table_of(engine.state, step.record)
        done = purge_step(engine, table, table.partition_id, step.cancelled)
        if done is None and step.record.rows == 0:
            return Skipped("nothing is past the retention")
        figures = Figures() if done is None else _figures(done)
        if not is_clean(engine, table, table.partition_id):
            return Continue(figures)
        engine.squeeze(table.partition_id)
        engine.retired.remove_unused()
        whole = step.record.figures + figures
        return Completed(f"{whole.rows} deleted versions purged, {whole.files} files rewritten", figures)


def _figures(done: PurgeFigures) -> Figures:
    reason = "retention" if done.rows else ""
    return Figures(done.rows, done.bytes, done.files, reason, done.oldest_ms, done.newest_ms)
