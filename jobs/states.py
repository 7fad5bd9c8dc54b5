"""Job states and the transitions between them, as a table. Rule: nothing but TRANSITIONS moves a job."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class JobState(StrEnum):
    """Kept in the ledger by name: never rename one."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"  # failed for now, waits for its next attempt
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # there was nothing to do


FINISHED: Final = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED})
LIVE: Final = frozenset(JobState) - FINISHED

TRANSITIONS: Final[Mapping[JobState, frozenset[JobState]]] = MappingProxyType(
    {
        JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
        JobState.RUNNING: FINISHED | {JobState.RETRYING},
        # A job that waits for its next attempt is as killable as a queued one, by way of running.
        JobState.RETRYING: frozenset({JobState.RUNNING}),
        **{state: frozenset() for state in FINISHED},
    }
)


class ForbiddenStep(AssertionError):
    """A job was asked to take a step that TRANSITIONS does not have: a bug of ours."""


def check_step(job_id: str, now: JobState, to: JobState) -> None:
    """Raises ForbiddenStep unless `now` -> `to` is in the table."""
    if to not in TRANSITIONS[now]:
        raise ForbiddenStep(f"job {job_id} can't go from {now} to {to}")
