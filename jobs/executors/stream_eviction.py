"""SE- jobs evict the events of a stream that are past their retention, a batch at a time."""

from __future__ import annotations

from jobs.executor import Step
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.settings import JobSettings
from jobs.targets import table_of
from storage.catalog.schema import TableDef
from storage.engine import Engine
from storage.maintenance.eviction import evict, plan_eviction
from storage.state.state import PartitionState


class StreamEvictionExecutor:
    """One step a batch; more than one batch is a Continue, which is no failure."""

    def __init__(self, engine: Engine, settings: JobSettings) -> None:
        self._engine = engine
        self._rows_max = settings.eviction_rows_max

    def __call__(self, step: Step) -> Outcome:
        """Raises NotFound when the table was dropped meanwhile, StorageUnavailable."""
        state = self._engine.state
        table = table_of(state, step.record)
        partition = state.partition(table.partition_id)
        plan = plan_eviction(table, partition, _age_ms(self._engine, partition), self._rows_max)
        if plan is None:
            return Completed(_said(step.record.rows)) if step.record.rows else Skipped(_nothing(table))
        rows = evict(self._engine, table, plan)
        figures = Figures(rows=rows, bytes=plan.bytes, reason="ttl", oldest_ms=plan.oldest_ms, newest_ms=plan.newest_ms)
        if not plan.is_last:
            return Continue(figures)
        return Completed(_said(step.record.rows + rows), figures)


def _age_ms(engine: Engine, partition: PartitionState) -> int:
    return engine.time.settled().ageing(partition.oldest_hot_ms)


def _said(rows: int) -> str:
    return f"{rows} event{'' if rows == 1 else 's'} past the retention"


def _nothing(table: TableDef) -> str:
    if table.options.eviction.order == "fifo":
        return "no event leaves a fifo stream before there is no room for it"
    return "no event is past the retention"
