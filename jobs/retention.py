"""RT- jobs: purge deleted versions older than their table's `deleted_retention`, hot and cold. A step is a few edits.

When nothing is left to purge, the row store is told to rewrite what it keeps of the purged rows, its log included.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from jobs.executor import Step
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.targets import table_of
from storage.engine import Engine
from storage.retention import PurgeFigures, expired_partitions, purge_step
from storage.schema import TableDef

PARTITIONS_A_STEP: Final = 16  # of a user table


class RetentionExecutor:
    """Goes on while anything is expired."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        """Raises as `purge_step`, and NotFound when the table was dropped meanwhile."""
        engine = self._engine
        table = table_of(engine.state, step.record)
        figures = self._purge_some(table, step)
        if next(expired_partitions(engine, table), None) is not None:
            return Continue(figures)
        whole = step.record.figures + figures
        if whole == Figures():
            return Skipped("nothing is past the retention")
        engine.squeeze(table)
        engine.retired.remove_unused()
        return Completed(f"{whole.rows} deleted versions purged, {whole.files} files rewritten", figures)

    def _purge_some(self, table: TableDef, step: Step) -> Figures:
        figures = Figures()
        for partition_id in list(islice(expired_partitions(self._engine, table), PARTITIONS_A_STEP)):
            owned = self._engine.users.owned_table(table, partition_id)
            done = purge_step(self._engine, owned, partition_id, step.cancelled)
            figures += Figures() if done is None else _figures(done)
        return figures


def _figures(done: PurgeFigures) -> Figures:
    reason = "retention" if done.rows else ""
    return Figures(done.rows, done.bytes, done.files, reason, done.oldest_ms, done.newest_ms)
