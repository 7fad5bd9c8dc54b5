"""CO- jobs merge many cold files of a table into few. One step rewrites what one plan names; then it plans anew."""

from __future__ import annotations

from jobs.executor import Step
from jobs.ledger import Trigger
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.targets import table_of
from storage.catalog.schema import TableDef, TableKind
from storage.database_time import Now
from storage.engine import Engine
from storage.maintenance.compaction import compact_partition, plan_compaction
from storage.state.state import PartitionState


class CompactExecutor:
    """Goes on while there is a plan: a run over many files is many small commits, each of them whole.

    Of deleted versions those are left out that were past the retention when the job began, as in `retention`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._begun: dict[str, Now] = {}  # job that has more to do -> when it began
        self._reached: dict[str, int] = {}  # job -> the last partition of a user table that it is done with

    def __call__(self, step: Step) -> Outcome:
        """Raises as `compact_partition`, and NotFound when the table was dropped meanwhile."""
        state = self._engine.state
        table = table_of(state, step.record)
        now = self._begun.pop(step.record.job_id, None) or self._engine.time.settled()
        is_users = table.kind is TableKind.USER
        outcome = self._compact_users(table, step, now) if is_users else self._compact_shared(table, step, now)
        if isinstance(outcome, Continue):
            self._begun[step.record.job_id] = now
        return outcome

    def _compact_shared(self, table: TableDef, step: Step, now: Now) -> Outcome:
        engine, state = self._engine, self._engine.state
        partition = state.partition(table.partition_id)
        # A user who asks wants all files merged, once; from then on there is only what the planner would do itself.
        force = step.record.trigger is Trigger.USER and step.steps_done == 0
        limit = engine.purge_limit_seq()
        plan = plan_compaction(
            table, partition, engine.settings, self._age_ms(partition, now), purge_limit_seq=limit, force=force
        )
        if plan is None:
            return _nothing_left(step)
        figures = compact_partition(engine, table, partition, plan, step.cancelled)
        return Continue(Figures(figures.rows, figures.bytes, figures.files_after))

    def _compact_users(self, table: TableDef, step: Step, now: Now) -> Outcome:
        """For the planner those in memory, where files have come in; for a user who asks all of them, each once."""
        engine, asked = self._engine, step.record.trigger is Trigger.USER
        after = self._reached.setdefault(step.record.job_id, 0) if asked else 0
        found = engine.users.partitions_of(table) if asked else engine.users.partitions_in_memory(table)
        for owned, partition in found:
            if partition.partition_id <= after:
                continue
            limit = engine.purge_limit_seq()
            plan = plan_compaction(
                owned, partition, engine.settings, self._age_ms(partition, now), purge_limit_seq=limit, force=asked
            )
            if plan is None:
                continue
            figures = compact_partition(engine, owned, partition, plan, step.cancelled)
            if asked:
                self._reached[step.record.job_id] = partition.partition_id
            return Continue(Figures(figures.rows, figures.bytes, figures.files_after))
        self._reached.pop(step.record.job_id, None)
        return _nothing_left(step)

    def _age_ms(self, partition: PartitionState, now: Now) -> int:
        """The time that tells which deleted versions are past their retention, and were at `now` too."""
        oldest = partition.deletes.oldest_commit
        return min(now.ageing_seq(oldest), self._engine.time.settled().ageing_seq(oldest))


def _nothing_left(step: Step) -> Outcome:
    if step.steps_done == 0 and step.record.files == 0:
        return Skipped("nothing to compact")
    return Completed(str(Figures(rows=step.record.rows, files=step.record.files)))
