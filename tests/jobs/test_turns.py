"""Jobs of many steps take turns; some can't be killed; what a job logs carries its id."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
import structlog
import trio
from trio.testing import MockClock

from flight_server.monitoring import log
from jobs.executor import Step
from jobs.ledger import JobRecord, JobType, Trigger
from jobs.outcome import Completed, Continue, Figures, Outcome, Retry
from jobs.policy import UNCANCELLABLE, Waiting, with_room
from jobs.settings import JobSettings
from jobs.states import JobState
from storage.errors import NotSupported
from tests.support.job_builders import Scripted, running

ONE = JobSettings(concurrent_max=1)


def in_trio(test: Callable[[], Awaitable[None]]) -> None:
    trio.run(test, clock=MockClock(autojump_threshold=0.02))


class Turns:
    """An executor of `steps` steps that remembers whose turn it was, and holds the first until opened."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.taken: list[str] = []
        self.open = threading.Event()

    def __call__(self, step: Step) -> Outcome:
        self.open.wait(20)
        self.taken.append(step.record.target)
        if step.steps_done + 1 == self.steps:
            return Completed("done", Figures(rows=1))
        return Continue(Figures(rows=1), progress=(step.steps_done + 1) / self.steps)


def test_jobs_of_many_steps_on_several_tables_take_turns():
    async def main() -> None:
        turns = Turns(3)
        async with running({JobType.RETENTION: turns}, settings=ONE) as manager:
            ids = [await manager.submit(JobType.RETENTION, name, trigger=Trigger.SCHEDULE) for name in ("a", "b", "c")]
            turns.open.set()
            for job_id in ids:
                record = await manager.wait(job_id)
                assert (record.status, record.rows, record.attempts) == (JobState.COMPLETED, 3, 0)
        assert turns.taken == ["a", "b", "c"] * 3

    in_trio(main)


def test_an_urgent_job_overtakes_between_two_steps_of_a_long_one():
    async def main() -> None:
        turns, flush = Turns(3), Scripted(Completed("flushed"))
        async with running({JobType.COMPACT: turns, JobType.FLUSH: flush}, settings=ONE) as manager:
            compact = await manager.submit(JobType.COMPACT, "a", trigger=Trigger.SCHEDULE)
            urgent = await manager.submit(JobType.FLUSH, "b", trigger=Trigger.SIZE)
            turns.open.set()
            await manager.wait(urgent)
            assert manager.ledger.get(compact).status is not JobState.COMPLETED
            await manager.wait(compact)

    in_trio(main)


def test_a_job_that_has_nothing_to_do_for_a_while_leaves_its_place_to_others():
    async def main() -> None:
        pausing = Scripted(Continue(after_seconds=100, message="waits for a load"), Completed("done"))
        other = Scripted(Completed("done"))
        async with running({JobType.CLEANUP: pausing, JobType.FLUSH: other}, settings=ONE) as manager:
            first = await manager.submit(JobType.CLEANUP, "a", trigger=Trigger.SCHEDULE)
            await trio.sleep(1)
            record = manager.ledger.get(first)
            assert (record.status, record.message) == (JobState.RUNNING, "waits for a load")
            started = trio.current_time()
            await manager.wait(await manager.submit(JobType.FLUSH, "b", trigger=Trigger.SIZE))
            assert trio.current_time() - started < 50
            assert (await manager.wait(first)).attempts == 0

    in_trio(main)


@pytest.mark.parametrize("job_type", UNCANCELLABLE)
def test_what_was_promised_already_can_not_be_killed(job_type: JobType):
    async def main() -> None:
        turns = Turns(2)
        async with running({job_type: turns}, settings=ONE) as manager:
            ids = [await manager.submit(job_type, name, trigger=Trigger.SCHEDULE) for name in ("a", "b")]
            for job_id in ids:
                with pytest.raises(NotSupported, match=f"'{job_id}' can't be cancelled"):
                    await manager.cancel(job_id)
            turns.open.set()
            for job_id in ids:
                assert (await manager.wait(job_id)).status is JobState.COMPLETED
                assert await manager.cancel(job_id) is JobState.COMPLETED

    in_trio(main)


def test_a_job_killed_between_two_steps_ends_though_all_places_are_taken():
    async def main() -> None:
        pausing, turns = Scripted(Continue(after_seconds=1e6)), Turns(1)
        async with running({JobType.RETENTION: pausing, JobType.FLUSH: turns}, settings=ONE) as manager:
            paused = await manager.submit(JobType.RETENTION, "a", trigger=Trigger.SCHEDULE)
            while not pausing.steps:
                await trio.sleep(0.01)
            holding = await manager.submit(JobType.FLUSH, "b", trigger=Trigger.SIZE)
            await manager.cancel(paused)
            with trio.fail_after(1000):
                assert (await manager.wait(paused)).status is JobState.CANCELLED
            turns.open.set()
            assert (await manager.wait(holding)).status is JobState.COMPLETED

    in_trio(main)


def of_type(job_type: JobType, number: int) -> JobRecord:
    return JobRecord(
        job_id=f"{number}", job_type=job_type, target="t", trigger=Trigger.SCHEDULE, priority=1, created_ms=0
    )


def test_long_jobs_never_have_all_places():
    long, short = of_type(JobType.BACKUP, 1), of_type(JobType.FLUSH, 2)
    waiting = [Waiting(of_type(JobType.SCRUB, 3), 0), Waiting(of_type(JobType.FLUSH, 4), 0)]
    assert with_room(waiting, [long], 2) == waiting[1:]
    assert with_room(waiting, [short], 2) == waiting
    assert with_room(waiting, [long, short], 3) == waiting
    assert with_room(waiting, [long, long], 3) == waiting[1:]
    assert with_room(waiting, [], 1) == waiting
    assert with_room(waiting, [short], 1) == []


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    before = structlog.get_config()
    log.configure(stream)
    yield stream
    structlog.configure(**before)


def test_every_log_line_of_a_job_carries_its_id_on_the_worker_thread_too(logged: io.StringIO):
    def executor(step: Step) -> Outcome:
        structlog.get_logger("storage").info("a line of what the executor calls")
        return Completed("done") if step.record.attempts else Retry("busy")

    async def main() -> None:
        async with running({JobType.FLUSH: executor}) as manager:
            for name in ("a", "b"):
                await manager.wait(await manager.submit(JobType.FLUSH, name, trigger=Trigger.USER))

    in_trio(main)
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    told = [(line["job_id"], line["event"]) for line in lines]
    each = ["job_started", "a line of what the executor calls", "job_retried"]
    each += ["job_started", "a line of what the executor calls", "job_completed"]
    assert told == [(job_id, event) for job_id in ("FL-1", "FL-2") for event in each]
