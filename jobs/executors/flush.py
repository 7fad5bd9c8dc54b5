"""FL- jobs flush a table's hot rows into cold files, and report how many."""

from __future__ import annotations

from typing import Final

from jobs.executor import Step
from jobs.outcome import Completed, Continue, Figures, Outcome, Retry
from jobs.targets import partitions_to_flush, table_of
from storage.catalog.schema import TableDef, TableKind
from storage.engine import Engine
from storage.errors import Conflict, LimitExceeded, StorageUnavailable
from storage.maintenance.flush import FlushResult, flush_partition

PARTITIONS_A_STEP: Final = 16  # of a user table: so often may the job be killed, and another one take its turn


class FlushExecutor:
    """A partition is flushed whole or not at all: a shared table in one step, a user table in several."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._failed: dict[str, dict[int, str]] = {}  # job -> partitions that it could not flush in this try

    def __call__(self, step: Step) -> Outcome:
        """Raises as `flush_partition`, and NotFound when the table was dropped meanwhile."""
        state = self._engine.state
        table = table_of(state, step.record)
        if table.kind is TableKind.USER:
            return self._flush_users(table, step)
        partition = state.partition(table.partition_id)
        figures = flush_partition(self._engine, table, partition, step.cancelled, step.report)
        return self._ended(step, Figures() if figures is None else _moved(figures))

    def _flush_users(self, table: TableDef, step: Step) -> Outcome:
        """One user whose rows can't be moved keeps them, and holds up nobody else; then it is tried again."""
        failed = self._failed.setdefault(step.record.job_id, {})
        due = [id_ for id_ in partitions_to_flush(self._engine, table, step) if id_ not in failed]
        moved = Figures()
        for partition_id in due[:PARTITIONS_A_STEP]:
            try:
                owned = self._engine.users.owned_table(table, partition_id)
                figures = flush_partition(
                    self._engine, owned, self._engine.state.partition(partition_id), step.cancelled
                )
            except (StorageUnavailable, LimitExceeded, Conflict) as error:
                failed[partition_id] = error.message
                continue
            moved += _moved(figures) if figures is not None else Figures()
        left = len(due) - PARTITIONS_A_STEP
        if left > 0:
            done = step.record.files + moved.files  # a file for each
            return Continue(moved, progress=done / (done + left), message=f"{left} users to go")
        return self._ended(step, moved)

    def _ended(self, step: Step, moved: Figures) -> Outcome:
        failed = self._failed.pop(step.record.job_id, {})
        if failed:
            why = f"the rows of {len(failed)} users stay hot for now: {next(iter(failed.values()))}"
            return Retry(why, figures=moved)
        whole = step.record.figures + moved  # of all steps, and it may have been asked for again while it ran
        return Completed(str(whole) if whole.rows else "no hot rows", moved)


def _moved(figures: FlushResult) -> Figures:
    return Figures(figures.rows, figures.bytes, figures.files)
