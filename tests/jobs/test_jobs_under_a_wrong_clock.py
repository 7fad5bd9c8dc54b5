"""What can't be taken back waits until a clock that was set ahead has been there for an hour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from flight_server.sql.define.users import without_gone
from jobs.executors.user_cleanup import due_user_cleanups
from jobs.planning.eviction_planner import EvictionPlanner
from jobs.planning.planners import due_compactions, due_purges
from jobs.planning.schedule import plan_flushes
from jobs.settings import JobSettings
from storage.catalog.audit_record import AuditRecord
from storage.catalog.schema import TableDef, TableKind
from storage.catalog.table_options import FlushPolicy
from storage.catalog.users import UserRecord
from storage.clock import ManualClock
from storage.engine import Engine
from storage.maintenance.sweep import trim_audit
from storage.settings import StorageSettings
from storage.state.edits import Edit
from tests.support.storage_builders import (
    compact,
    delete,
    drop,
    flush,
    insert,
    make_table,
    opened,
    partition,
    purge,
    read,
)

DAY_MS = 86_400_000
HOUR_SECONDS = 3600.0
YEARS_MS = 14 * 365 * DAY_MS
TRUTH = 1_795_953_600_000  # 2026-11-29T12:00 UTC
SETTINGS = StorageSettings(audit_kept_days=2)


def prepared(engine: Engine) -> TableDef:
    """A table with deleted rows, hot and cold; a dropped user, a dropped table and an event of the audit log."""
    table = make_table(engine, deleted_retention_seconds=60)
    insert(engine, table, *[(k, "x") for k in range(10)])
    flush(engine, table)
    delete(engine, table, "k", *range(8))
    insert(engine, table, (20, "x"))
    delete(engine, table, "k", 20)
    user = UserRecord(name="ann", role="user", password_hash="", dropped_ms=engine.time.now().database_ms)
    engine.commit(Edit(catalog=lambda c: c.with_user(user), audit=(AuditRecord(user="root", action="DROP USER"),)))
    drop(engine, make_table(engine, "gone"))
    return table


def left(engine: Engine) -> tuple[int, int, int, int, int]:
    """(deleted versions, events, dropped tables, due user cleanups, due purges and compactions), after all that a job
    and a start would do."""
    [table] = engine.state.catalog.tables.values()
    due = len([*due_purges(engine), *due_compactions(engine)])
    purge(engine, table)
    trim_audit(engine)
    users = len(list(due_user_cleanups(engine, DAY_MS)))
    kept = without_gone(engine.state.catalog, engine.time.settled(), DAY_MS)
    assert ("ann" in kept.users) == (users == 0)
    deleted = len(partition(engine, table).deletes)
    return deleted, len(list(engine.audit_log.records())), len(engine.table_history.dropped()), users, due


NOTHING_GONE = (9, 1, 1, 0, 0)
ALL_GONE = (0, 0, 0, 1)


def test_without_a_jump_everything_goes_in_its_time(tmp_path: Path):
    clock = ManualClock(TRUTH)
    with opened(tmp_path, clock, SETTINGS) as engine:
        prepared(engine)
        assert left(engine) == NOTHING_GONE
        clock.advance(70)
        assert left(engine)[0] == 0
        clock.advance(3 * 86_400)
        assert left(engine)[:4] == ALL_GONE


@pytest.mark.parametrize("step_ms", [3 * DAY_MS, YEARS_MS, 200 * 365 * DAY_MS, 10_000 * 365 * DAY_MS])
def test_a_jump_ahead_removes_nothing_and_back_again_all_goes_on(tmp_path: Path, step_ms: int):
    clock = ManualClock(TRUTH)
    with opened(tmp_path, clock, SETTINGS) as engine:
        prepared(engine)
        clock.set_wall_ms(TRUTH + step_ms)
        assert left(engine) == NOTHING_GONE
        clock.advance(30)
        assert left(engine) == NOTHING_GONE
        clock.set_wall_ms(TRUTH + 30_000)
        assert left(engine) == NOTHING_GONE
        clock.advance(40)
        assert left(engine)[0] == 0
        clock.advance(3 * 86_400)
        assert left(engine)[:4] == ALL_GONE


def test_a_jump_that_stays_for_an_hour_is_believed(tmp_path: Path):
    clock = ManualClock(TRUTH)
    with opened(tmp_path, clock, SETTINGS) as engine:
        prepared(engine)
        clock.set_wall_ms(TRUTH + 3 * DAY_MS)
        assert left(engine) == NOTHING_GONE
        clock.advance(HOUR_SECONDS)
        assert left(engine)[:4] == ALL_GONE


@pytest.mark.parametrize("step_ms", [3 * DAY_MS, YEARS_MS])
def test_a_start_with_a_clock_far_ahead_removes_nothing_for_an_hour(tmp_path: Path, step_ms: int):
    clock = ManualClock(TRUTH)
    with opened(tmp_path, clock, SETTINGS) as engine:
        prepared(engine)
    clock.set_wall_ms(TRUTH + step_ms)
    with opened(tmp_path, clock, SETTINGS) as engine:
        assert left(engine) == NOTHING_GONE
        clock.advance(HOUR_SECONDS)
        assert left(engine)[:4] == ALL_GONE


def test_after_commits_under_a_wrong_clock_age_is_told_by_the_clock_that_gave_the_date(tmp_path: Path):
    clock = ManualClock(TRUTH)
    with opened(tmp_path, clock, SETTINGS) as engine:
        table = prepared(engine)
    clock.set_wall_ms(TRUTH + YEARS_MS)
    with opened(tmp_path, clock, SETTINGS) as engine:
        delete(engine, table, "k", 8)  # dated 14 years ahead
    clock.set_wall_ms(TRUTH + 10_000)
    with opened(tmp_path, clock, SETTINGS) as engine:
        assert left(engine)[:4] == (10, 1, 1, 0), "what the right clock dated is seconds old"
        clock.advance(55)
        assert left(engine)[0] == 1
        clock.advance(10)
        assert left(engine)[0] == 0, "and what the wrong one dated goes too, not in 14 years"
        clock.advance(3 * 86_400)
        assert left(engine)[:4] == ALL_GONE


def test_what_was_dropped_under_a_wrong_clock_is_kept_for_as_long_as_ever(tmp_path: Path):
    clock = ManualClock(TRUTH + YEARS_MS)
    with opened(tmp_path, clock, SETTINGS) as engine:
        prepared(engine)
    clock.set_wall_ms(TRUTH)
    with opened(tmp_path, clock, SETTINGS) as engine:
        assert left(engine) == NOTHING_GONE
        clock.advance(86_000)
        assert left(engine)[3] == 0
        clock.advance(2 * 86_400)
        assert left(engine)[:4] == ALL_GONE


def test_flushes_by_time_neither_stall_nor_storm_after_a_wrong_clock(tmp_path: Path):
    clock = ManualClock(TRUTH + YEARS_MS)
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, flush_policy=FlushPolicy(rows=1000, interval_seconds=60))
        insert(engine, table, (1, "x"))
    clock.set_wall_ms(TRUTH)
    with opened(tmp_path, clock) as engine:
        assert flushes(engine) == 0
        clock.advance(61)
        assert flushes(engine) == 1
        flush(engine, table)
        insert(engine, table, (2, "x"))
        assert flushes(engine) == 0
        clock.advance(61)
        assert flushes(engine) == 1


def flushes(engine: Engine) -> int:
    now_ms = engine.time.now().database_ms
    return len(list(plan_flushes(engine.state, now_ms, engine.settings.hot_bytes_max)))


def test_events_of_a_stream_are_hidden_and_not_evicted_until_the_clock_is_believed(tmp_path: Path):
    clock = ManualClock(TRUTH)
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, kind=TableKind.STREAM, retention_seconds=60, deleted_retention_seconds=60)
        insert(engine, table, (1, "x"))
        planner = EvictionPlanner(engine, JobSettings())
        wishes = after(clock, planner, lambda: clock.set_wall_ms(TRUTH + 3 * DAY_MS))
        assert wishes == 0
        assert after(clock, planner, lambda: clock.advance(HOUR_SECONDS)) == 1
        assert [row["k"] for row in read(engine, table)] == [1]


def after(clock: ManualClock, planner: EvictionPlanner, deed: Callable[[], None]) -> int:
    planner.look()
    deed()
    found = len(planner.look())
    clock.advance(30)
    return found + len(planner.look())


def test_compaction_keeps_what_is_not_surely_expired(tmp_path: Path):
    clock = ManualClock(TRUTH)
    with opened(tmp_path, clock) as engine:
        table = prepared(engine)
        clock.set_wall_ms(TRUTH + YEARS_MS)
        assert list(due_compactions(engine)) == []
        clock.set_wall_ms(TRUTH + 61_000)
        clock.advance(61)
        assert compact(engine, table) is not None


def test_a_dropped_user_comes_back_after_a_jump(tmp_path: Path):
    clock = ManualClock(TRUTH)
    with opened(tmp_path, clock) as engine:
        prepared(engine)
        clock.set_wall_ms(TRUTH + YEARS_MS)
        assert "ann" in without_gone(engine.state.catalog, engine.time.settled(), DAY_MS).users
        [user] = [user for user in engine.state.catalog.users.values() if user.name == "ann"]
        clock.set_wall_ms(TRUTH + 1000)
        engine.commit(Edit(catalog=lambda c: c.with_user(msgspec.structs.replace(user, dropped_ms=0))))
        clock.advance(30 * 86_400)
        assert list(due_user_cleanups(engine, DAY_MS)) == []
