"""Decisions about jobs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from jobs.ledger import ID_PREFIX, JobRecord, JobType, Trigger
from jobs.outcome import Figures
from jobs.policy import PRIORITY, Waiting, fullest_partitions, next_job, retry_wait_seconds
from jobs.settings import JobSettings
from storage.state.state import DatabaseState, HotChunk, PartitionState


def waiting(job_id: str, *, priority: int = 1, waited: float = 0, target: str = "t", created_ms: int = 0) -> Waiting:
    record = JobRecord(
        job_id=job_id,
        job_type=JobType.FLUSH,
        target=target,
        trigger=Trigger.USER,
        priority=priority,
        created_ms=created_ms,
    )
    return Waiting(record, waited)


def chosen(*jobs: Waiting, last_started: dict[str, float] | None = None) -> str | None:
    found = next_job(jobs, last_started or {}, ageing_seconds=30)
    return None if found is None else found.job_id


def test_nothing_waiting_is_nothing_to_start():
    assert chosen() is None


def test_higher_priority_goes_first():
    assert chosen(waiting("FL-1", priority=1), waiting("FL-2", priority=2)) == "FL-2"


def test_every_type_has_a_prefix_of_its_own_and_a_priority():
    assert set(ID_PREFIX) == set(PRIORITY) == set(JobType)
    assert len(set(ID_PREFIX.values())) == len(JobType)


def test_figures_of_steps_add_up_and_keep_reasons_and_the_widest_times():
    first = Figures(rows=2, bytes=10, files=1, reason="ttl", oldest_ms=5, newest_ms=9)
    second = Figures(rows=1, reason="ttl, max_buffer", oldest_ms=7, newest_ms=12)
    both = Figures(rows=3, bytes=10, files=1, reason="ttl, max_buffer", oldest_ms=5, newest_ms=12)
    assert first + second + Figures() == both
    assert waiting("SE-1").record.with_figures(first).with_figures(second).figures == both


def test_a_job_that_waited_long_overtakes():
    assert chosen(waiting("FL-1", priority=1, waited=61), waiting("FL-2", priority=2)) == "FL-1"


def test_among_equals_the_target_served_longest_ago_goes_first_and_one_never_served_before_all():
    a, b, c = waiting("FL-1", target="a"), waiting("FL-2", target="b"), waiting("FL-3", target="c")
    assert chosen(a, b, last_started={"a": 9, "b": 4}) == "FL-2"
    assert chosen(a, b, c, last_started={"a": 9, "b": 4}) == "FL-3"


def test_among_equals_of_one_target_the_oldest_goes_first():
    assert chosen(waiting("FL-1", created_ms=5), waiting("FL-2", created_ms=3)) == "FL-2"


@pytest.mark.parametrize(("attempts", "longest"), [(1, 1.0), (2, 2.0), (3, 4.0), (7, 60.0), (1000, 60.0)])
def test_waits_double_up_to_the_limit_and_jitter_takes_at_most_half(attempts: int, longest: float):
    settings = JobSettings()
    assert retry_wait_seconds(attempts, settings, jitter=1.0) == longest
    assert retry_wait_seconds(attempts, settings, jitter=0.0) == longest / 2


def partition(partition_id: int, rows: int) -> PartitionState:
    batch = pa.record_batch({"_seq": pa.array(np.arange(rows, dtype=np.int64))})
    return PartitionState(partition_id, hot=(HotChunk(batch),))


def test_the_fullest_partitions_are_flushed_once_the_hot_side_is_filling_up():
    state = DatabaseState().with_partitions({1: partition(1, 100), 2: partition(2, 600), 3: partition(3, 300)})
    assert list(fullest_partitions(state, hot_bytes_max=20_000)) == []
    assert list(fullest_partitions(state, hot_bytes_max=10_000)) == [2]
    assert list(fullest_partitions(state, hot_bytes_max=4_000)) == [2, 3]
    assert list(fullest_partitions(state, hot_bytes_max=0)) == [2, 3, 1]
