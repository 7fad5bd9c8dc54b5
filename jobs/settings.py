"""JobSettings holds what an operator may set about jobs. `conf/frostline.toml` says why each default is what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

PositiveInt = Annotated[int, Meta(ge=1)]
PositiveSeconds = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Pace and limits of background work.

    concurrent_max:         jobs that run at the same time
    attempts_max:           times a job is tried before it is failed
    retry_seconds_first:    wait before the second attempt; doubles from there
    retry_seconds_max:      the longest wait between attempts
    ageing_seconds:         waiting this long raises a queued job's priority by one
    flush_check_seconds:    the flush planner looks at least this often, and after commits
    compact_check_seconds:  how often the compaction planner looks
    retention_check_seconds: how often deleted versions past their retention are looked for
    eviction_seconds_min:   the shortest time between two looks at a stream for events past their retention
    eviction_seconds_max:   the longest; between them a stream's pace follows the rate at which its events come
    eviction_rows_max:      events that leave a stream in one step
    cleanup_check_seconds:  how often what dropped tables and users left is looked for, besides after each DROP TABLE
    job_cleanup_interval_seconds: how often finished jobs that are too old or too many are forgotten
    sweep_interval_seconds: how often unreferenced files are removed
    scrub_interval_seconds: how often all that is on disk is compared with its checksums
    finished_kept_days:     how long finished jobs stay in system.jobs
    finished_kept_max:      and how many of them at most
    flush_at_shutdown:      "none"; "due" = what the flush policies ask for; "all" = every hot row
    """

    concurrent_max: Annotated[int, Meta(ge=1, le=64)] = 2
    attempts_max: PositiveInt = 3
    retry_seconds_first: PositiveSeconds = 1.0
    retry_seconds_max: PositiveSeconds = 60.0
    ageing_seconds: PositiveSeconds = 30.0
    flush_check_seconds: PositiveSeconds = 5.0
    compact_check_seconds: PositiveSeconds = 30.0
    retention_check_seconds: PositiveSeconds = 60.0
    eviction_seconds_min: PositiveSeconds = 1.0
    eviction_seconds_max: PositiveSeconds = 60.0
    eviction_rows_max: PositiveInt = 250_000
    cleanup_check_seconds: PositiveSeconds = 60.0
    job_cleanup_interval_seconds: PositiveSeconds = 3600.0
    sweep_interval_seconds: PositiveSeconds = 3600.0
    scrub_interval_seconds: PositiveSeconds = 86400.0
    finished_kept_days: PositiveInt = 30
    finished_kept_max: PositiveInt = 20_000
    flush_at_shutdown: Literal["none", "due", "all"] = "due"
