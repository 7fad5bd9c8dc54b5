"""FL- jobs: move a table's hot rows into a cold file. Storage does the moving; this says how it went."""

from __future__ import annotations

from jobs.executor import Step
from jobs.outcome import Completed, Figures, Outcome
from jobs.targets import table_of
from storage.engine import Engine
from storage.flush import flush_partition


class FlushExecutor:
    """One step a table: a partition is flushed whole or not at all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        """Raises as `flush_partition`, and NotFound when the table was dropped meanwhile."""
        state = self._engine.state
        table = table_of(state, step.record)
        figures = flush_partition(self._engine, table, state.partition(table.partition_id), step.cancelled)
        if figures is None:
            return Completed("no hot rows")
        moved = Figures(figures.rows, figures.bytes, figures.files)
        return Completed(str(moved), moved)
