"""`planners_of` makes every planner but that of flushes, which commits wake. A new one is a line there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jobs.executors.cleanup import due_cleanups
from jobs.executors.move_files import Moves
from jobs.executors.user_cleanup import due_user_cleanups
from jobs.ledger import JobType
from jobs.planner import JobRequest, Planner, table_wish
from jobs.planning.eviction_planner import EvictionPlanner
from jobs.settings import JobSettings
from storage.database_time import Now
from storage.engine import Engine
from storage.maintenance.compaction import plan_compaction
from storage.maintenance.retention import is_due, oldest_deletes_of
from storage.state.state import PartitionState

IDLE_CHECK_SECONDS: Final = 30.0  # between two looks which users are gone, see storage.user_idle_seconds


def planners_of(engine: Engine, settings: JobSettings, user_grace_ms: int) -> tuple[Planner, ...]:
    """user_grace_ms: for which a dropped user can be brought back."""
    return (
        Planner("compact", lambda: due_compactions(engine), lambda: settings.compact_check_seconds),
        Planner("retention", lambda: due_purges(engine), lambda: settings.retention_check_seconds),
        Planner("idle users", lambda: release_idle_users(engine), lambda: IDLE_CHECK_SECONDS),
        EvictionPlanner(engine, settings).planner(),
        # At the start too: what a crash left, and what was dropped just before it.
        Planner(
            "cleanup",
            lambda: due_cleanups(engine),
            lambda: settings.cleanup_check_seconds,
            at_start=True,
            on_definitions=True,
        ),
        Planner(
            "user_cleanup",
            lambda: due_user_cleanups(engine, user_grace_ms),
            lambda: settings.cleanup_check_seconds,
            at_start=True,
        ),
        Planner(
            "job_cleanup",
            lambda: [JobRequest(JobType.JOB_CLEANUP)],
            lambda: settings.job_cleanup_interval_seconds,
        ),
        Planner(
            "move_files", Moves(engine).due, lambda: settings.compact_check_seconds, at_start=True, on_definitions=True
        ),
        Planner("sweep", lambda: [JobRequest(JobType.SWEEP)], lambda: settings.sweep_interval_seconds, at_start=True),
        # Not at the start: there, reading all files would hold up the first queries.
        Planner("scrub", lambda: [JobRequest(JobType.SCRUB)], lambda: settings.scrub_interval_seconds),
    )


def due_compactions(engine: Engine) -> Iterator[JobRequest]:
    """Tables for whose files there is a plan."""
    state, limit, now = engine.state, engine.purge_limit_seq(), engine.time.settled()
    for table in state.catalog.tables.values():
        plans = (
            plan_compaction(owned, partition, engine.settings, _age_ms(partition, now), purge_limit_seq=limit)
            for owned, partition in engine.users.partitions_in_memory(table)
        )
        if any(plan is not None for plan in plans):
            yield table_wish(JobType.COMPACT, table)


def _age_ms(partition: PartitionState, now: Now) -> int:
    """The time that tells which deleted versions are past their retention."""
    return now.ageing_seq(partition.deletes.oldest_commit)


def due_purges(engine: Engine) -> Iterator[JobRequest]:
    """Tables with versions past their retention. Files that a reader held until now go on the way."""
    engine.obsolete_files.remove_unused()
    state, limit, now = engine.state, engine.purge_limit_seq(), engine.time.settled()
    for table in state.catalog.tables.values():
        if any(is_due(table, oldest, now.ageing_seq(oldest), limit) for _, oldest in oldest_deletes_of(engine, table)):
            yield table_wish(JobType.RETENTION, table)


def release_idle_users(engine: Engine) -> Iterator[JobRequest]:
    """Lets the partitions of users who are gone leave memory; wishes for no job."""
    engine.users.release_idle()
    yield from ()
