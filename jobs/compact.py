"""CO- jobs: many cold files of a table into few. One step rewrites what one plan names; then it is planned anew."""

from __future__ import annotations

from jobs.executor import Step
from jobs.ledger import Trigger
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.targets import table_of
from storage.compaction import compact_partition, plan_compaction
from storage.engine import Engine
from storage.schema import TableDef, TableKind


class CompactExecutor:
    """Goes on while there is a plan: a run over many files is many small commits, each of them whole."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reached: dict[str, int] = {}  # job -> the last partition of a user table that it is done with

    def __call__(self, step: Step) -> Outcome:
        """Raises as `compact_partition`, and NotFound when the table was dropped meanwhile."""
        engine = self._engine
        state = engine.state
        table = table_of(state, step.record)
        if table.kind is TableKind.USER:
            return self._compact_users(table, step)
        partition = state.partition(table.partition_id)
        # A user who asks wants all files merged, once; from then on there is only what the planner would do itself.
        force = step.record.trigger is Trigger.USER and step.steps_done == 0
        limit = engine.purge_limit_seq()
        now_ms = engine.time.settled().ageing_seq(partition.deletes.oldest_commit)
        plan = plan_compaction(table, partition, engine.settings, now_ms, purge_limit_seq=limit, force=force)
        if plan is None:
            return _nothing_left(step)
        figures = compact_partition(engine, table, partition, plan, step.cancelled)
        return Continue(Figures(figures.rows, figures.bytes, figures.files_after))

    def _compact_users(self, table: TableDef, step: Step) -> Outcome:
        """For the planner those in memory, where files have come in; for a user who asks all of them, each once."""
        engine, asked = self._engine, step.record.trigger is Trigger.USER
        after = self._reached.setdefault(step.record.job_id, 0) if asked else 0
        found = engine.partitions_of(table) if asked else engine.partitions_in_memory(table)
        for owned, partition in found:
            if partition.partition_id <= after:
                continue
            limit = engine.purge_limit_seq()
            now_ms = engine.time.settled().ageing_seq(partition.deletes.oldest_commit)
            plan = plan_compaction(owned, partition, engine.settings, now_ms, purge_limit_seq=limit, force=asked)
            if plan is None:
                continue
            figures = compact_partition(engine, owned, partition, plan, step.cancelled)
            if asked:
                self._reached[step.record.job_id] = partition.partition_id
            return Continue(Figures(figures.rows, figures.bytes, figures.files_after))
        self._reached.pop(step.record.job_id, None)
        return _nothing_left(step)


def _nothing_left(step: Step) -> Outcome:
    if step.steps_done == 0 and step.record.files == 0:
        return Skipped("nothing to compact")
    return Completed(str(Figures(rows=step.record.rows, files=step.record.files)))
