"""CO- jobs: many cold files of a table into few. One step rewrites what one plan names; then it is planned anew."""

from __future__ import annotations

from jobs.executor import Step
from jobs.ledger import Trigger
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.targets import table_of
from storage.compaction import compact_partition, plan_compaction
from storage.engine import Engine


class CompactExecutor:
    """Goes on while there is a plan: a run over many files is many small commits, each of them whole."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        """Raises as `compact_partition`, and NotFound when the table was dropped meanwhile."""
        engine = self._engine
        state = engine.state
        table = table_of(state, step.record)
        partition = state.partition(table.partition_id)
        # A user who asks wants all files merged, once; from then on there is only what the planner would do itself.
        force = step.record.trigger is Trigger.USER and step.steps_done == 0
        limit = engine.purge_limit_seq()
        now_ms = engine.clock.wall_ms()
        plan = plan_compaction(table, partition, engine.settings, now_ms, purge_limit_seq=limit, force=force)
        if plan is None:
            return _nothing_left(step)
        figures = compact_partition(engine, table, partition, plan, step.cancelled)
        return Continue(Figures(figures.rows, figures.bytes, figures.files_after))


def _nothing_left(step: Step) -> Outcome:
    if step.steps_done == 0 and step.record.files == 0:
        return Skipped("nothing to compact")
    return Completed(str(Figures(rows=step.record.rows, files=step.record.files)))
