"""Executor runs one blocking step of one kind of job, repeatable after a crash at any point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from jobs.ledger import JobRecord
from jobs.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Step:
    """What an executor gets to see.

    record:     the job, with the figures of its earlier steps
    steps_done: steps that came before, since the job was last taken up
    cancelled:  True once the job is killed or the server stops; ask it between pieces of work
    report:     shows progress, 0..1, in system.jobs
    """

    record: JobRecord
    steps_done: int
    cancelled: Callable[[], bool]
    report: Callable[[float], None]


class Executor(Protocol):
    """Runs on a worker thread.

    Error handling: Cancelled ends the step (all of its work is undone or whole); StorageUnavailable, LimitExceeded
    and Conflict mean "try again"; NotFound means that the target is gone; anything else fails the job.
    """

    def __call__(self, step: Step) -> Outcome: ...
