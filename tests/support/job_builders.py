"""Small real parts that the job tests are built from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import trio

from jobs.executor import Executor, Step
from jobs.ledger import JobType, Ledger
from jobs.manager import JobManager
from jobs.outcome import Outcome
from jobs.settings import JobSettings
from storage.errors import StorageUnavailable


class TrioClock:
    """The wall runs with trio's clock, which tests let jump."""

    def wall_ms(self) -> int:
        return 1_700_000_000_000 + round(trio.current_time() * 1000)

    def monotonic_seconds(self) -> float:
        return trio.current_time()


@dataclass
class MemoryLedgerStore:
    """A ledger store that keeps what was written, and can be told to refuse."""

    written: dict[str, bytes] = field(default_factory=dict)
    refuses: bool = False

    def put_job(self, job_id: str, record: bytes) -> None:
        if self.refuses:
            raise StorageUnavailable("no space left on device")
        self.written[job_id] = record

    def jobs(self) -> Iterable[tuple[str, bytes]]:
        return sorted(self.written.items())

    def delete_jobs(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            del self.written[job_id]


class Scripted:
    """An executor that answers from a list, raises what it finds there, and remembers what it saw."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.answers = list(answers)
        self.steps: list[Step] = []

    def __call__(self, step: Step) -> Outcome:
        self.steps.append(step)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def running(
    executors: Mapping[JobType, Executor],
    *,
    store: MemoryLedgerStore | None = None,
    settings: JobSettings | None = None,
) -> AsyncIterator[JobManager]:
    """A manager at work; stopped afterwards."""
    numbers = iter(range(1, 1_000_000))
    manager = JobManager(
        ledger=Ledger(store or MemoryLedgerStore()),
        executors=executors,
        settings=settings or JobSettings(),
        clock=TrioClock(),
        new_id=lambda: next(numbers),
        random=Random(1),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(manager.run)
        yield manager
        manager.stop()
