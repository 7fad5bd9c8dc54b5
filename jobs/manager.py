"""JobManager queues jobs, runs them, retries them, ends them. The one place where a job changes.

All decisions are made in the trio thread; executors and the ledger's disk writes run on worker threads. So no
state here needs a lock, but for what `ledger` hands to readers.

Guarantees: at most one live job per type and target; at most `concurrent_max` running; a job that was acknowledged
is in the ledger; a failing job or a failing disk ends no other job and not the manager.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

import structlog
import trio

from jobs.executor import Executor, Step
from jobs.ledger import ID_PREFIX, JobRecord, JobType, Ledger, Trigger
from jobs.outcome import Completed, Continue, Failed, Outcome, Retry, Skipped, Stopped
from jobs.policy import PRIORITY, UNCANCELLABLE, USER_BONUS, Waiting, next_job, retry_wait_seconds, with_room
from jobs.run_step import no_executor, once_more, run_guarded
from jobs.settings import JobSettings
from jobs.states import JobState
from storage.clock import Clock
from storage.errors import Cancelled, FrostlineError, NotSupported
from storage.failpoints import reach_loop
from storage.histograms import DurationHistograms

AGAIN_SECONDS: Final = 1.0  # after which it is tried again to start jobs
TARGETS_REMEMBERED_MAX: Final = 10_000  # of those served lately, to be fair between them
DURATION_BOUNDS_SECONDS: Final = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0)

log = structlog.get_logger("jobs")


@dataclass(slots=True)
class _Live:
    """What the manager knows of a live job beside its record. Times are trio's."""

    ready_seconds: float
    running: bool = False  # a step of it is on a worker, or its end is being written
    steps_done: int = 0  # of this attempt
    kill: bool = False
    again: bool = False  # asked for while it ran: what came since must be seen to as well
    closing: bool = False  # its work is over, only its end is still being written
    finished: trio.Event = field(default_factory=trio.Event)

    def is_ready(self, now_seconds: float) -> bool:
        return not self.running and not self.kill and self.ready_seconds <= now_seconds


class JobManager:
    """See the module. Every `async` method is for the trio thread; other threads go through `jobs.client`."""

    def __init__(
        self,
        ledger: Ledger,
        executors: Mapping[JobType, Executor],
        settings: JobSettings,
        clock: Clock,
        new_id: Callable[[], int],
        random: Random,
    ) -> None:
        self.ledger = ledger
        self.durations = DurationHistograms(DURATION_BOUNDS_SECONDS)  # by type and status of finished jobs
        self._executors = executors
        self._settings = settings
        self._clock = clock
        self._new_id = new_id
        self._random = random
        self._live: dict[str, _Live] = {}
        self._last_started: dict[str, int] = {}  # target -> which turn that was
        self._turns = itertools.count()
        self._submitting = trio.Lock()
        self._changed = trio.Event()
        self._stopping = False
        self.health = "ok"  # or why no job starts

    def __repr__(self) -> str:
        running = sum(live.running for live in self._live.values())
        return f"<JobManager [{running} running, {len(self._live) - running} waiting]>"

    # --- asking ------------------------------------------------------------------------------------------------

    async def submit(
        self,
        job_type: JobType,
        target: str,
        *,
        trigger: Trigger,
        parameters: Mapping[str, str] | None = None,
    ) -> str:
        """Queue a job and return its id; the live one's id when this type already works on this target.

        A live one that runs already does its work once more, so that what was committed before this call is in it.

        Raises: StorageUnavailable (the ledger can't be written), Cancelled (the server is stopping).
        """
        async with self._submitting:
            if self._stopping:
                raise Cancelled("the server is stopping and takes no new jobs", sqlstate="57P01")
            live = self._find_live(job_type, target)
            if live is not None:
                self._live[live.job_id].again = self._live[live.job_id].running
                return live.job_id
            record = JobRecord(
                job_id=f"{ID_PREFIX[job_type]}-{await trio.to_thread.run_sync(self._new_id)}",
                job_type=job_type,
                target=target,
                trigger=trigger,
                priority=PRIORITY[job_type] + (USER_BONUS if trigger is Trigger.USER else 0),
                created_ms=self._clock.wall_ms(),
                parameters=dict(parameters or {}),
            )
            await trio.to_thread.run_sync(self.ledger.put, record)
            self._live[record.job_id] = _Live(ready_seconds=trio.current_time())
        self._wake()
        return record.job_id

    def _find_live(self, job_type: JobType, target: str) -> JobRecord | None:
        records = (self.ledger.get(job_id) for job_id, live in self._live.items() if not live.closing)
        return next((r for r in records if r.job_type is job_type and r.target == target), None)

    async def cancel(self, job_id: str) -> JobState:
        """End a waiting job now, a running one at its next step. Returns the state it is in after the call.

        Raises: NotFound, NotSupported (a job that finishes what was already promised); asking for a finished job is no
        error and changes nothing.
        """
        record = self.ledger.get(job_id)
        live = self._live.get(job_id)
        if live is None:
            return record.status
        if record.job_type in UNCANCELLABLE:
            raise NotSupported(f"job '{job_id}' can't be cancelled: {UNCANCELLABLE[record.job_type]}")
        live.kill = True
        if not live.running and record.status is JobState.QUEUED:
            live.running = True  # so that no worker takes it up while its end is written
            await self._finish(record, JobState.CANCELLED, message="killed before it ran")
        self._wake()
        return self.ledger.get(job_id).status

    async def wait(self, job_id: str) -> JobRecord:
        """Wait until the job is finished. Raises NotFound."""
        self.ledger.get(job_id)
        live = self._live.get(job_id)
        if live is not None:
            await live.finished.wait()
        return self.ledger.get(job_id)

    # --- running -----------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take up what the ledger holds, then run jobs until cancelled or `stop`ped."""
        await self._recover()
        async with trio.open_nursery() as workers:
            task_status.started()
            while not self._stopping:
                self._changed = trio.Event()
                with trio.move_on_after(self._started(workers) - trio.current_time()):
                    await self._changed.wait()

    def _started(self, workers: trio.Nursery) -> float:
        """Start what is ready; returns when to look again at the latest. While it fails, `health` tells it."""
        try:
            reach_loop("loop.jobs")
            self._start_ready(workers)
            self.health = "ok"
            return self._next_ready_seconds()
        except Exception:
            log.exception("jobs_not_started")
            self.health = "jobs can't be started"
            return trio.current_time() + AGAIN_SECONDS

    def stop(self) -> None:
        """No job starts from now on; running ones end at their next step and are taken up at the next start."""
        self._stopping = True
        self._wake()

    async def _recover(self) -> None:
        """Jobs that ran when the process ended: their steps are safe to repeat, so they simply run again."""
        await trio.to_thread.run_sync(self.ledger.load)
        for record in list(self.ledger.live()):
            if record.status is JobState.RUNNING:
                await self._put(record.moved(JobState.RETRYING, message="taken up again after a restart"))
            self._live[record.job_id] = _Live(ready_seconds=trio.current_time())

    def _start_ready(self, workers: trio.Nursery) -> None:
        """Start the best waiting jobs while there is room. A killed one only has to be ended: it needs none."""
        for job_id in [job_id for job_id, live in self._live.items() if live.kill and not live.running]:
            self._start(workers, job_id)
        while not self._stopping:
            running = [self.ledger.get(job_id) for job_id, live in self._live.items() if live.running]
            waiting = with_room(self._waiting(), running, self._settings.concurrent_max)
            record = next_job(waiting, self._last_started, self._settings.ageing_seconds)
            if record is None:
                return
            self._last_started[record.target] = next(self._turns)
            self._start(workers, record.job_id)

    def _start(self, workers: trio.Nursery, job_id: str) -> None:
        self._live[job_id].running = True
        workers.start_soon(self._run_job, job_id, name=job_id)

    def _waiting(self) -> list[Waiting]:
        now = trio.current_time()
        return [
            Waiting(self.ledger.get(job_id), now - live.ready_seconds)
            for job_id, live in self._live.items()
            if live.is_ready(now)
        ]

    def _next_ready_seconds(self) -> float:
        """When a job that waits for its next attempt becomes ready; infinity when none does."""
        now = trio.current_time()
        later = (live.ready_seconds for live in self._live.values() if not live.running and live.ready_seconds > now)
        return min(later, default=math.inf)

    async def _run_job(self, job_id: str) -> None:
        """One step and what came of it. Between two steps a job competes with those that wait: all tables get turns."""
        live = self._live[job_id]
        try:
            await self._run_one(job_id, live)
        except Exception:
            log.exception("job_broke_off", job_id=job_id)
            await self._break_off(job_id)
        live.running = False
        self._wake()

    async def _break_off(self, job_id: str) -> None:
        """It failed where nothing should: whoever waits for it is told, as far as the ledger goes along."""
        live = self._live.get(job_id)
        try:
            await self._finish(self.ledger.get(job_id), JobState.FAILED, error="the job broke off; see the log")
        except Exception:
            log.exception("job_not_ended", job_id=job_id)
            self._live.pop(job_id, None)
        if live is not None:
            live.finished.set()

    async def _run_one(self, job_id: str, live: _Live) -> None:
        with structlog.contextvars.bound_contextvars(job_id=job_id):
            if self.ledger.get(job_id).status is not JobState.RUNNING:
                await self._begin(self.ledger.get(job_id))
            outcome = await self._run_step(job_id, live)
            reach_loop("loop.job")
            await self._take_in(self.ledger.get(job_id), outcome)

    async def _begin(self, record: JobRecord) -> None:
        started_ms = record.started_ms or self._clock.wall_ms()
        await self._put(record.moved(JobState.RUNNING, started_ms=started_ms))
        self._live[record.job_id].steps_done = 0
        log.info("job_started", target=record.target, trigger=str(record.trigger), attempts=record.attempts)

    async def _run_step(self, job_id: str, live: _Live) -> Outcome:
        if live.kill or self._stopping:
            return Stopped()
        step = Step(
            record=self.ledger.get(job_id),
            steps_done=live.steps_done,
            cancelled=lambda: live.kill or self._stopping,
            report=partial(self._report, job_id),
        )
        live.again = False
        executor = self._executors.get(step.record.job_type, no_executor)
        # Not abandoned on cancel: the thread holds files and rows, and it looks at `cancelled` by itself. It runs in a
        # copy of this context, so what it logs carries the job's id.
        outcome = await trio.to_thread.run_sync(run_guarded, executor, step)
        outcome = once_more(outcome) if live.again else outcome
        live.closing = not isinstance(outcome, Continue)
        return outcome

    def _report(self, job_id: str, progress: float) -> None:
        """Called on the executor's thread, the only one that changes the record while its step runs."""
        self.ledger.note(self.ledger.get(job_id).replaced(progress=min(max(progress, 0.0), 1.0)))

    async def _take_in(self, record: JobRecord, outcome: Outcome) -> None:
        """Case by case: 1) more to do, 2) done, 3) nothing to do, 4) failed for now, 5) for good, 6) asked to stop."""
        match outcome:
            case Continue():
                await self._go_on(record, outcome)
            case Completed(message, figures):
                done = record.with_figures(figures)
                await self._finish(done, JobState.COMPLETED, message=message, progress=1.0, error="")
            case Skipped(message):
                await self._finish(record, JobState.SKIPPED, message=message)
            case Retry():
                await self._retry(record, outcome)
            case Failed(error):
                await self._finish(record, JobState.FAILED, error=error)
            case _ if self._live[record.job_id].kill:
                message = "killed; what its finished steps did stays"
                await self._finish(record, JobState.CANCELLED, message=message)
            case _ if not self._stopping:
                await self._finish(record, JobState.FAILED, error="the job stopped without being asked to")
            case _:
                pass  # the server stops: `running` in the ledger, which the next start understands

    async def _go_on(self, record: JobRecord, outcome: Continue) -> None:
        moved_on = record.with_figures(outcome.figures)
        progress = record.progress if outcome.progress is None else outcome.progress
        await self._put(moved_on.replaced(progress=progress, message=outcome.message or record.message))
        live = self._live[record.job_id]
        live.steps_done += 1
        live.ready_seconds = trio.current_time() + outcome.after_seconds

    async def _retry(self, record: JobRecord, outcome: Retry) -> None:
        record = record.with_figures(outcome.figures)
        attempts = record.attempts + 1
        if attempts >= self._settings.attempts_max:
            await self._finish(record.replaced(attempts=attempts), JobState.FAILED, error=outcome.error)
            return
        wait_seconds = outcome.after_seconds
        if wait_seconds is None:
            wait_seconds = retry_wait_seconds(attempts, self._settings, self._random.random())
        log.warning("job_retried", error=outcome.error, attempts=attempts, wait_seconds=wait_seconds)
        await self._put(record.moved(JobState.RETRYING, attempts=attempts, error=outcome.error))
        live = self._live[record.job_id]
        live.ready_seconds, live.closing = trio.current_time() + wait_seconds, False

    async def _finish(self, record: JobRecord, to: JobState, **changes: object) -> None:
        finished = record.moved(to, finished_ms=self._clock.wall_ms(), **changes)
        await self._put(finished)
        took_ms = 0 if finished.started_ms is None else (finished.finished_ms or 0) - finished.started_ms
        self.durations.add((str(finished.job_type), str(to)), max(took_ms, 0) / 1000)
        self._live.pop(record.job_id).finished.set()
        if len(self._last_started) > TARGETS_REMEMBERED_MAX:
            del self._last_started[min(self._last_started, key=self._last_started.__getitem__)]
        log.info(
            f"job_{to}",
            job_id=record.job_id,
            target=record.target,
            rows=finished.rows,
            bytes=finished.bytes,
            message=finished.message,
            error=finished.error or None,
        )

    async def _put(self, record: JobRecord) -> None:
        """Write to the ledger. A disk that refuses must not end the manager: the work itself is safe to repeat."""
        try:
            await trio.to_thread.run_sync(self.ledger.put, record)
        except FrostlineError as error:
            log.error("ledger_not_written", job_id=record.job_id, error=error.message)
            self.ledger.note(record)

    def _wake(self) -> None:
        self._changed.set()
