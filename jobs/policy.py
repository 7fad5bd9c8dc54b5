"""The job policy decides which job is next, how long a retry waits, what to flush under pressure. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from jobs.ledger import JobRecord, JobType
from jobs.settings import JobSettings
from storage.catalog.schema import TableKind
from storage.state.state import DatabaseState

# What frees memory goes first, then what somebody waits for, then what frees the disk, then what may take its time.
PRIORITY: Final = {
    JobType.FLUSH: 6,
    JobType.STREAM_EVICTION: 6,
    JobType.RESTORE: 5,
    JobType.BACKUP: 5,
    JobType.RETENTION: 4,
    JobType.CLEANUP: 4,
    JobType.USER_CLEANUP: 4,
    JobType.COMPACT: 3,
    JobType.MOVE_FILES: 3,
    JobType.SWEEP: 2,
    JobType.JOB_CLEANUP: 2,
    JobType.SCRUB: 1,
}
# A user's own request goes before the planner's.
USER_BONUS: Final = 2

# Steps of these may take minutes. They never have all places, or hot rows would pile up behind them.
LONG: Final = frozenset(
    {JobType.COMPACT, JobType.MOVE_FILES, JobType.BACKUP, JobType.RESTORE, JobType.SCRUB, JobType.RETENTION}
)

# What KILL JOB refuses, and why.
UNCANCELLABLE: Final = MappingProxyType(
    {
        JobType.CLEANUP: "the table is gone for everybody, and what is left of it has to go as well",
        JobType.USER_CLEANUP: "the user is gone for good, and what is left of them has to go as well",
    }
)

# From this share of `hot_bytes_max` on, the fullest partitions are flushed whatever their own policy says, until
# what stays is below the second share: writers shall not have to wait for an interval to pass.
PRESSURE_SHARE: Final = 0.7
RELIEF_SHARE: Final = 0.4


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that may start, and for how long it could have."""

    record: JobRecord
    waited_seconds: float


def next_job(
    waiting: Sequence[Waiting], last_started_seconds: Mapping[str, float], ageing_seconds: float
) -> JobRecord | None:
    """The job to start next: highest aged priority, then the target served longest ago, then the oldest.

    last_started_seconds: target -> when a job on it last started, on any rising clock.
    """

    def rank(job: Waiting) -> tuple[float, float, int, str]:
        aged = job.record.priority + int(job.waited_seconds / ageing_seconds)
        return -aged, last_started_seconds.get(job.record.target, -1.0), job.record.created_ms, job.record.job_id

    return min(waiting, key=rank).record if waiting else None


def with_room(waiting: Sequence[Waiting], running: Sequence[JobRecord], concurrent_max: int) -> list[Waiting]:
    """Those of `waiting` that may start beside `running`: one place is never taken by a long one, if there are two."""
    if len(running) >= concurrent_max:
        return []
    long_running = sum(record.job_type in LONG for record in running)
    long_may = long_running < max(1, concurrent_max - 1)
    return [job for job in waiting if long_may or job.record.job_type not in LONG]


def retry_wait_seconds(attempts: int, settings: JobSettings, jitter: float) -> float:
    """How long to wait after the `attempts`-th failure; `jitter` in 0..1 spreads it over 50-100 %."""
    longest = min(settings.retry_seconds_first * 2.0 ** min(attempts - 1, 30), settings.retry_seconds_max)
    return longest * (0.5 + 0.5 * jitter)


def fullest_partitions(state: DatabaseState, hot_bytes_max: int) -> Iterable[int]:
    """Ids of the partitions to flush now because the hot side is filling up; empty while there is room.

    Streams have a limit of their own, and nothing of them can be flushed.
    """
    hot_bytes = state.hot_bytes - state.stream_bytes
    if hot_bytes < hot_bytes_max * PRESSURE_SHARE:
        return ()
    chosen = []
    streams = {table.partition_id for table in state.catalog.tables.values() if table.kind is TableKind.STREAM}
    flushable = (p for p in state.partitions.values() if p.partition_id not in streams)
    for partition in sorted(flushable, key=lambda p: p.hot_bytes, reverse=True):
        if hot_bytes <= hot_bytes_max * RELIEF_SHARE or not partition.hot_rows:
            break
        chosen.append(partition.partition_id)
        hot_bytes -= partition.hot_bytes
    return chosen
