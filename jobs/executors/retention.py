"""RT- jobs purge deleted versions older than their table's `deleted_retention`, hot and cold. A step is a few edits.

A job purges what was past the retention when it began, and ends: while rows are deleted all the time, more of them get
past it at every moment, and a job that went after these would rewrite the same files for ever, a few rows each time.
When nothing of that is left, the row store is told to rewrite what it keeps of the purged rows, its log included.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from jobs.executor import Step
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.targets import table_of
from storage.catalog.schema import TableDef
from storage.database_time import Now
from storage.engine import Engine
from storage.maintenance.retention import PurgeResult, compact_row_store, expired_partitions, purge_step

PARTITIONS_A_STEP: Final = 16  # of a user table


class RetentionExecutor:
    """Goes on while anything is left that was expired when the job began, or was taken up again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._begun: dict[str, Now] = {}  # job that has more to do -> when it began

    def __call__(self, step: Step) -> Outcome:
        """Raises as `purge_step`, and NotFound when the table was dropped meanwhile."""
        engine = self._engine
        table = table_of(engine.state, step.record)
        now = self._begun.pop(step.record.job_id, None) or engine.time.settled()
        figures = self._purge_some(table, step, now)
        if next(expired_partitions(engine, table, now), None) is not None:
            self._begun[step.record.job_id] = now
            return Continue(figures)
        whole = step.record.figures + figures
        if whole == Figures():
            return Skipped("nothing is past the retention")
        compact_row_store(engine, table)
        engine.obsolete_files.remove_unused()
        return Completed(f"{whole.rows} deleted versions purged, {whole.files} files rewritten", figures)

    def _purge_some(self, table: TableDef, step: Step, now: Now) -> Figures:
        figures = Figures()
        for partition_id in list(islice(expired_partitions(self._engine, table, now), PARTITIONS_A_STEP)):
            owned = self._engine.users.owned_table(table, partition_id)
            done = purge_step(self._engine, owned, partition_id, step.cancelled, now)
            figures += Figures() if done is None else _figures(done)
        return figures


def _figures(done: PurgeResult) -> Figures:
    reason = "retention" if done.rows else ""
    return Figures(done.rows, done.bytes, done.files, reason, done.oldest_ms, done.newest_ms)
