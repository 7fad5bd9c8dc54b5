"""JobManager with a memory ledger and scripted executors. Trio's clock jumps: no test waits in real time."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import pytest
import trio
from trio.testing import MockClock

from jobs.executor import Step
from jobs.ledger import JobRecord, JobType, Trigger
from jobs.outcome import Completed, Continue, Failed, Figures, Outcome, Retry, Skipped
from jobs.settings import JobSettings
from jobs.states import JobState
from storage.errors import Cancelled, Conflict, Corruption, NotFound, StorageUnavailable
from tests.support.job_builders import MemoryLedgerStore, Scripted, running


def in_trio(test: Callable[[], Awaitable[None]]) -> None:
    trio.run(test, clock=MockClock(autojump_threshold=0.02))


def run_one(executor: Scripted, settings: JobSettings | None = None) -> JobRecord:
    """Submit one flush and return its record once it is finished."""
    finished: list[JobRecord] = []

    async def main() -> None:
        async with running({JobType.FLUSH: executor}, settings=settings) as manager:
            job_id = await manager.submit(JobType.FLUSH, "public.t", trigger=Trigger.USER)
            finished.append(await manager.wait(job_id))

    in_trio(main)
    return finished[0]


def test_a_completed_job_tells_what_it_moved_and_when():
    record = run_one(Scripted(Completed("10 rows into 1 file", Figures(rows=10, bytes=99, files=1))))
    assert (record.status, record.rows, record.bytes, record.files) == (JobState.COMPLETED, 10, 99, 1)
    assert (record.message, record.progress, record.attempts, record.error) == ("10 rows into 1 file", 1.0, 0, "")
    assert record.created_ms <= (record.started_ms or 0) <= (record.finished_ms or 0)
    assert record.job_id == "FL-1"


def test_continue_is_no_failure_and_its_figures_add_up():
    executor = Scripted(*[Continue(Figures(rows=5))] * 9, Completed("done", Figures(rows=1)))
    record = run_one(executor, JobSettings(attempts_max=1))
    assert (record.status, record.rows, record.attempts) == (JobState.COMPLETED, 46, 0)
    assert [step.steps_done for step in executor.steps] == list(range(10))


def test_a_skipped_job_says_why():
    record = run_one(Scripted(Skipped("nothing to compact")))
    assert (record.status, record.message) == (JobState.SKIPPED, "nothing to compact")


def test_a_job_whose_target_is_gone_is_skipped():
    assert run_one(Scripted(NotFound("table 'public.t' does not exist any more"))).status is JobState.SKIPPED


@pytest.mark.parametrize("trouble", [Retry("busy"), StorageUnavailable("busy"), Conflict("busy")])
def test_a_job_in_trouble_is_tried_again_and_may_yet_complete(trouble: Outcome | Exception):
    record = run_one(Scripted(trouble, trouble, Completed("at last")))
    assert (record.status, record.attempts, record.error) == (JobState.COMPLETED, 2, "")


def test_what_was_done_before_a_retry_counts():
    record = run_one(Scripted(Retry("busy", figures=Figures(rows=3)), Completed("done", Figures(rows=4))))
    assert (record.status, record.rows, record.attempts) == (JobState.COMPLETED, 7, 1)


def test_a_job_fails_after_its_last_attempt_with_the_last_error():
    record = run_one(Scripted(Retry("one"), Retry("two"), Retry("three")))
    assert (record.status, record.attempts, record.error) == (JobState.FAILED, 3, "three")


def test_attempts_are_spaced_by_the_policy():
    seconds: list[float] = []

    class Noting(Scripted):
        def __call__(self, step: Step) -> Outcome:
            seconds.append(trio.from_thread.run_sync(trio.current_time))
            return super().__call__(step)

    run_one(Noting(Retry("x"), Retry("x", after_seconds=500), Completed("")))
    assert 0.5 <= seconds[1] - seconds[0] <= 1.5
    assert 500 <= seconds[2] - seconds[1] <= 501


@pytest.mark.parametrize("trouble", [Failed("wrong checksum"), Corruption("wrong checksum")])
def test_trouble_that_trying_again_would_not_help_fails_at_once(trouble: Outcome | Exception):
    record = run_one(Scripted(trouble))
    assert (record.status, record.error, record.attempts) == (JobState.FAILED, "wrong checksum", 0)


def test_a_bug_in_an_executor_fails_its_job_without_telling_its_text_and_the_manager_goes_on():
    async def main() -> None:
        async with running({JobType.FLUSH: Scripted(ZeroDivisionError("/secret/path"), Completed(""))}) as manager:
            first = await manager.wait(await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER))
            assert first.status is JobState.FAILED
            assert "ZeroDivisionError" in first.error
            assert "/secret" not in first.error
            second = await manager.wait(await manager.submit(JobType.FLUSH, "b", trigger=Trigger.USER))
            assert second.status is JobState.COMPLETED

    in_trio(main)


class Gate:
    """An executor that holds its jobs until opened, or until they are asked to stop."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.started: list[str] = []
        self.running = 0
        self.running_max = 0
        self._lock = threading.Lock()

    def __call__(self, step: Step) -> Outcome:
        with self._lock:
            self.started.append(step.record.target)
            self.running += 1
            self.running_max = max(self.running_max, self.running)
        try:
            while not self.open.wait(0.002):
                if step.cancelled():
                    raise Cancelled("asked to stop")
            return Completed("let through")
        finally:
            with self._lock:
                self.running -= 1

    async def until_started(self, jobs: int) -> None:
        while len(self.started) < jobs:
            await trio.sleep(0.01)


def test_asking_again_for_a_live_job_gives_the_same_id_and_after_its_end_a_new_one():
    async def main() -> None:
        gate = Gate()
        async with running({JobType.FLUSH: gate, JobType.COMPACT: gate}) as manager:
            ask = partial(manager.submit, trigger=Trigger.USER)
            first = await ask(JobType.FLUSH, "a")
            assert await ask(JobType.FLUSH, "a") == first
            assert await ask(JobType.FLUSH, "b") != first
            assert await ask(JobType.COMPACT, "a") != first
            gate.open.set()
            await manager.wait(first)
            assert await ask(JobType.FLUSH, "a") != first

    in_trio(main)


def test_a_running_job_that_is_asked_for_again_does_its_work_once_more():
    async def main() -> None:
        gate = Gate()
        async with running({JobType.FLUSH: gate}) as manager:
            ask = partial(manager.submit, JobType.FLUSH, "a", trigger=Trigger.USER)
            first = await ask()
            await gate.until_started(1)
            assert await ask() == first
            gate.open.set()
            assert (await manager.wait(first)).status is JobState.COMPLETED
            assert gate.started == ["a", "a"]

    in_trio(main)


def test_many_askers_at_once_get_one_job():
    async def main() -> None:
        gate = Gate()
        ids: set[str] = set()
        async with running({JobType.FLUSH: gate}) as manager:

            async def ask() -> None:
                ids.add(await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER))

            async with trio.open_nursery() as askers:
                for _ in range(20):
                    askers.start_soon(ask)
            gate.open.set()
        assert len(ids) == 1

    in_trio(main)


def test_no_more_jobs_run_at_once_than_allowed():
    async def main() -> None:
        gate = Gate()
        async with running({JobType.FLUSH: gate}, settings=JobSettings(concurrent_max=2)) as manager:
            ids = [await manager.submit(JobType.FLUSH, f"t{n}", trigger=Trigger.SIZE) for n in range(6)]
            await gate.until_started(2)
            await trio.sleep(1)
            assert repr(manager) == "<JobManager [2 running, 4 waiting]>"
            gate.open.set()
            for job_id in ids:
                assert (await manager.wait(job_id)).status is JobState.COMPLETED
        assert gate.running_max == 2

    in_trio(main)


def test_a_users_request_overtakes_the_planners():
    async def main() -> None:
        gate = Gate()
        async with running({JobType.FLUSH: gate}, settings=JobSettings(concurrent_max=1)) as manager:
            await manager.submit(JobType.FLUSH, "first", trigger=Trigger.SCHEDULE)
            await gate.until_started(1)
            planned = await manager.submit(JobType.FLUSH, "planned", trigger=Trigger.SCHEDULE)
            asked = await manager.submit(JobType.FLUSH, "asked", trigger=Trigger.USER)
            gate.open.set()
            await manager.wait(planned)
            await manager.wait(asked)
        assert gate.started == ["first", "asked", "planned"]

    in_trio(main)


def test_a_queued_job_is_killed_at_once_and_never_runs():
    async def main() -> None:
        gate = Gate()
        async with running({JobType.FLUSH: gate}, settings=JobSettings(concurrent_max=1)) as manager:
            await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER)
            await gate.until_started(1)
            queued = await manager.submit(JobType.FLUSH, "b", trigger=Trigger.USER)
            assert await manager.cancel(queued) is JobState.CANCELLED
            gate.open.set()
        assert gate.started == ["a"]

    in_trio(main)


def test_a_running_job_is_killed_at_its_next_step():
    async def main() -> None:
        gate = Gate()
        async with running({JobType.FLUSH: gate}) as manager:
            job_id = await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER)
            await gate.until_started(1)
            assert await manager.cancel(job_id) is JobState.RUNNING
            assert (await manager.wait(job_id)).status is JobState.CANCELLED

    in_trio(main)


def test_a_retrying_job_is_killed_without_waiting_for_its_attempt():
    async def main() -> None:
        async with running({JobType.FLUSH: Scripted(Retry("busy", after_seconds=1e6))}) as manager:
            job_id = await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER)
            while manager.ledger.get(job_id).status is not JobState.RETRYING:
                await trio.sleep(0.001)
            await manager.cancel(job_id)
            with trio.fail_after(10):
                assert (await manager.wait(job_id)).status is JobState.CANCELLED

    trio.run(main)


def test_killing_a_finished_job_changes_nothing_and_an_unknown_one_is_not_found():
    async def main() -> None:
        async with running({JobType.FLUSH: Scripted(Completed(""))}) as manager:
            job_id = await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER)
            await manager.wait(job_id)
            assert await manager.cancel(job_id) is JobState.COMPLETED
            with pytest.raises(NotFound, match="FL-99"):
                await manager.cancel("FL-99")
            with pytest.raises(NotFound, match="FL-99"):
                await manager.wait("FL-99")

    in_trio(main)


def test_progress_is_seen_while_the_job_runs():
    async def main() -> None:
        seen, go_on = threading.Event(), threading.Event()

        def executor(step: Step) -> Outcome:
            step.report(0.25)
            seen.set()
            go_on.wait(10)
            return Completed("")

        async with running({JobType.FLUSH: executor}) as manager:
            job_id = await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER)
            await trio.to_thread.run_sync(seen.wait)
            assert manager.ledger.get(job_id).progress == 0.25
            go_on.set()

    in_trio(main)


def test_jobs_that_ran_or_waited_when_the_process_ended_are_taken_up_again():
    store = MemoryLedgerStore()

    async def first_life() -> None:
        gate = Gate()
        async with running({JobType.FLUSH: gate}, store=store, settings=JobSettings(concurrent_max=1)) as manager:
            for target in ("a", "b"):
                await manager.submit(JobType.FLUSH, target, trigger=Trigger.USER)
                await gate.until_started(1)

    async def second_life() -> None:
        executor = Scripted(Completed("1"), Completed("2"))
        async with running({JobType.FLUSH: executor}, store=store) as manager:
            for job_id in ("FL-1", "FL-2"):
                record = await manager.wait(job_id)
                assert (record.status, record.attempts) == (JobState.COMPLETED, 0)

    in_trio(first_life)
    assert [msgspec.json.decode(data)["status"] for _, data in store.jobs()] == ["running", "queued"]
    in_trio(second_life)
    assert [msgspec.json.decode(data)["status"] for _, data in store.jobs()] == ["completed", "completed"]


def test_a_stopping_manager_takes_no_new_jobs():
    async def main() -> None:
        async with running({}) as manager:
            manager.stop()
            with pytest.raises(Cancelled, match="stopping"):
                await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER)

    in_trio(main)


def test_a_job_is_not_acknowledged_when_the_ledger_can_not_be_written():
    async def main() -> None:
        store = MemoryLedgerStore(refuses=True)
        async with running({JobType.FLUSH: Scripted(Completed(""))}, store=store) as manager:
            with pytest.raises(StorageUnavailable):
                await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER)
            assert manager.ledger.records() == []
            store.refuses = False
            await manager.wait(await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER))

    in_trio(main)


def test_a_disk_that_refuses_the_ledger_while_a_job_runs_ends_nothing():
    async def main() -> None:
        store = MemoryLedgerStore()
        gate = Gate()
        async with running({JobType.FLUSH: gate}, store=store) as manager:
            job_id = await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER)
            await gate.until_started(1)
            store.refuses = True
            gate.open.set()
            assert (await manager.wait(job_id)).status is JobState.COMPLETED

    in_trio(main)


def test_old_finished_jobs_are_forgotten_and_so_are_too_many_of_them():
    async def main() -> None:
        store = MemoryLedgerStore()
        async with running({JobType.FLUSH: Scripted(*[Completed("")] * 4)}, store=store) as manager:
            for _ in range(4):
                await manager.wait(await manager.submit(JobType.FLUSH, "a", trigger=Trigger.USER))
                await trio.sleep(10)
            third_finished_ms = manager.ledger.get("FL-3").finished_ms or 0
            assert manager.ledger.purge(0, kept_max=3) == 1
            assert manager.ledger.purge(third_finished_ms, kept_max=3) == 1
            assert [record.job_id for record in manager.ledger.records()] == ["FL-3", "FL-4"]
            assert sorted(store.written) == ["FL-3", "FL-4"]

    in_trio(main)
