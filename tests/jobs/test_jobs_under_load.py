"""Rows are changed all the time, also while jobs work: jobs end all the same, and what they remove does not pile up."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
import trio

from jobs.executor import Executor, Step
from jobs.executors.registry import executors_of
from jobs.ledger import JobRecord, JobType, Ledger, Trigger
from jobs.manager import JobManager
from jobs.outcome import Completed, Continue, Outcome
from jobs.planner import JobRequest
from jobs.planning.planners import due_compactions, due_purges
from jobs.planning.schedule import Schedule
from jobs.settings import JobSettings
from jobs.targets import table_parameters
from storage.catalog.schema import TableDef
from storage.catalog.table_options import FlushPolicy
from storage.clock import ManualClock
from storage.engine import Engine
from tests.jobs.with_engine import GRACE_MS
from tests.support.storage_builders import delete, flush, insert, make_table, partition, values

RETENTION_SECONDS = 20
ROWS_A_TICK = 30
LIVES = 4  # ticks that a row is there
TICK_SECONDS = 5.0
STEP_SECONDS = 1.0  # of a piece of work
STEPS_MAX = 2000  # of all jobs; those that never end would make more


class Load:
    """Each tick brings new rows, and deletes half of those of an earlier tick and the rest of a still earlier one."""

    def __init__(
        self, engine: Engine, clock: ManualClock, lives: int = LIVES, retention_seconds: int = RETENTION_SECONDS
    ) -> None:
        self._engine = engine
        self._clock = clock
        policy = FlushPolicy(rows=10_000, interval_seconds=10, bytes=1 << 30)
        self.table: TableDef = make_table(
            engine, deleted_retention_seconds=retention_seconds, flush_policy=policy, key=("k",)
        )
        self._lives = lives
        self.ticks = 0
        self.steps = 0

    def tick(self, seconds: float) -> None:
        self._clock.advance(seconds)
        insert(self._engine, self.table, *((k, "x") for k in self._keys(self.ticks)))
        for half in (0, 1):
            if self.ticks >= (1 + half) * self._lives:
                delete(self._engine, self.table, "k", *self._keys(self.ticks - (1 + half) * self._lives)[half::2])
        self.ticks += 1

    def amid(self, executor: Executor) -> Executor:
        """The executor, with ticks in the middle of its steps: time and changes do not wait for jobs."""

        def amid_ticks(step: Step) -> Outcome:
            self.steps += 1
            assert self.steps < STEPS_MAX, f"{step.record} does not end"

            def cancelled() -> bool:
                self.tick(STEP_SECONDS)
                return step.cancelled()

            return executor(replace(step, cancelled=cancelled))

        return amid_ticks

    @staticmethod
    def _keys(tick: int) -> range:
        return range(tick * ROWS_A_TICK, (tick + 1) * ROWS_A_TICK)


def executors_amid(engine: Engine, load: Load, ledger: Ledger) -> dict[JobType, Executor]:
    return {type_: load.amid(does) for type_, does in executors_of(engine, ledger, JobSettings(), GRACE_MS).items()}


def ended(engine: Engine, load: Load, job_type: JobType) -> tuple[JobRecord, int]:
    """A job with what it came to, and its steps."""
    ledger = Ledger(engine.job_records)
    record = JobRecord(
        job_id="X-1",
        job_type=job_type,
        target=str(load.table.name),
        trigger=Trigger.SCHEDULE,
        priority=1,
        created_ms=0,
        parameters=table_parameters(load.table),
    )
    does, steps = executors_amid(engine, load, ledger)[job_type], 1
    while isinstance(outcome := does(Step(record, steps - 1, lambda: False, lambda _: None)), Continue):
        record, steps = record.with_figures(outcome.figures), steps + 1
    assert isinstance(outcome, Completed)
    return record.with_figures(outcome.figures), steps


def test_a_purge_ends_though_more_rows_expire_at_each_of_its_steps(engine: Engine, clock: ManualClock):
    load = Load(engine, clock)
    for number in range(40):
        load.tick(STEP_SECONDS)
        if number % 5 == 4:
            flush(engine, load.table)
    load.steps = STEPS_MAX - 20
    expired = len(partition(engine, load.table).deletes)
    record, steps = ended(engine, load, JobType.RETENTION)
    assert steps <= 3
    assert record.rows > 0
    assert len(partition(engine, load.table).deletes) < expired


def test_a_compaction_ends_though_more_rows_expire_at_each_of_its_steps(engine: Engine, clock: ManualClock):
    load = Load(engine, clock, lives=1, retention_seconds=1)
    for number in range(40):
        load.tick(STEP_SECONDS)
        if number % 4 == 3:
            flush(engine, load.table)
    load.steps = STEPS_MAX - 20
    assert len(partition(engine, load.table).cold) == 10
    record, steps = ended(engine, load, JobType.COMPACT)
    assert steps <= 3
    assert record.files > 0
    assert len(partition(engine, load.table).cold) <= 2


MINUTES = 12
FILES_MAX = 8 + 30 // 10 + 3  # what is not merged yet, flushes between two looks, and those while jobs work


@pytest.mark.slow
def test_files_and_deleted_versions_are_as_few_after_long_load_as_after_short(engine: Engine, clock: ManualClock):
    load = Load(engine, clock)
    files, deleted = trio.run(hours_of, engine, load, clock)
    half = len(files) // 2
    print(files[::6], deleted[::6])
    assert max(files) <= FILES_MAX
    assert max(deleted[half:]) <= 1.2 * max(deleted[:half])
    assert len(values(engine, load.table)) == ROWS_A_TICK * LIVES * 3 // 2


async def hours_of(engine: Engine, load: Load, clock: ManualClock) -> tuple[list[int], list[int]]:
    """(cold files, deleted versions) after each tick, with planners that look when they are due by the clock."""
    files: list[int] = []
    deleted: list[int] = []
    ledger, settings = Ledger(engine.job_records), JobSettings()
    executors = executors_amid(engine, load, ledger)
    manager = JobManager(ledger, executors, settings, clock, engine.new_id, Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(manager.run)
        schedule = Schedule(engine, manager, settings, GRACE_MS)
        looked = {"compact": 0.0, "retention": 0.0}
        while clock.monotonic_seconds() < MINUTES * 60:
            await trio.to_thread.run_sync(load.tick, TICK_SECONDS)
            await schedule.submit_due_flushes()
            wishes: list[JobRequest] = []
            for name, look, pause in (
                ("compact", due_compactions, settings.compact_check_seconds),
                ("retention", due_purges, settings.retention_check_seconds),
            ):
                if clock.monotonic_seconds() >= looked[name] + pause:
                    looked[name] = clock.monotonic_seconds()
                    wishes += look(engine)
            for wish in wishes:
                await schedule.submit(wish)
            for record in list(ledger.live()):
                await manager.wait(record.job_id)
            files.append(len(partition(engine, load.table).cold))
            deleted.append(len(partition(engine, load.table).deletes))
        manager.stop()
        nursery.cancel_scope.cancel()
    return files, deleted
