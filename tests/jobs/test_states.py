"""The table of a job's life."""

from __future__ import annotations

import itertools

import pytest

from jobs.ledger import JobRecord, JobType, Trigger
from jobs.states import FINISHED, LIVE, TRANSITIONS, ForbiddenStep, JobState

ALLOWED = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("running", "skipped"),
    ("running", "retrying"),
    ("retrying", "running"),
}


def record(status: JobState) -> JobRecord:
    return JobRecord(
        job_id="FL-1",
        job_type=JobType.FLUSH,
        target="public.t",
        trigger=Trigger.USER,
        priority=1,
        created_ms=0,
        status=status,
    )


@pytest.mark.parametrize(("now", "to"), [*itertools.product(JobState, JobState)])
def test_only_the_steps_of_the_table_are_taken(now: JobState, to: JobState):
    if (now, to) in ALLOWED:
        assert record(now).moved(to).status is to
    else:
        with pytest.raises(ForbiddenStep, match="FL-1"):
            record(now).moved(to)


def test_every_state_is_live_or_finished_and_finished_ones_are_final():
    assert LIVE | FINISHED == frozenset(JobState)
    assert all(not TRANSITIONS[state] for state in FINISHED)
