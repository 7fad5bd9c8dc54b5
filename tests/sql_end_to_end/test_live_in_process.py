"""Live queries from within: what is shared, what is limited, what is held."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flight_server.access.login.passwords import Passwords, prepare_root
from flight_server.access.sessions.session import Session
from flight_server.sql.context.running_statements import RunningState
from flight_server.sql.interface.request import Request
from flight_server.sql.live.live_queries import LiveQueries
from flight_server.sql.live.selection import Selection
from flight_server.sql.live.settings import LiveSettings
from storage.commit.deltas import Delta
from storage.errors import FrostlineError, LimitExceeded
from storage.settings import StorageSettings
from storage.state.edits import Edit
from tests.support.in_process import House, house

ALL = "SUBSCRIBE TO SELECT id, v FROM t"


class Reading:
    """A live query whose rows are taken one batch after the other, on this thread."""

    def __init__(self, home: House, session: Session, sql: str) -> None:
        self.outcome = home.statements.run(Request(session, sql))
        self.reader = self.outcome.start()

    def take(self, count: int) -> list[tuple[Any, ...]]:
        """(_change, id) of that many changes; progress rows do not count."""
        found: list[tuple[Any, ...]] = []
        while len(found) < count:
            rows = self.reader.read_next_batch().to_pylist()
            found += [(row["_change"], row["id"]) for row in rows if row["_change"] != "progress"]
        return found


def live_of(home: House) -> LiveQueries:
    return home.statements.sources.live


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, live=LiveSettings(subscriptions_max=5, subscriptions_per_user_max=4)) as opened:
        # Readers are looked up from time to time, by the clock on the wall: without a record root counts as dropped.
        root = prepare_root(opened.engine.state.catalog, "a password", Passwords(), opened.clock.wall_ms()).record
        assert root is not None
        opened.engine.commit(Edit(catalog=lambda catalog: catalog.with_user(root)))
        opened.do(opened.enter(), "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)")
        yield opened


def test_readers_of_one_statement_share_its_evaluation(home: House, monkeypatch: pytest.MonkeyPatch):
    evaluated: list[Delta] = []
    changes = Selection.changes

    def counted(self: Selection, delta: Delta) -> pa.RecordBatch:
        evaluated.append(delta)
        return changes(self, delta)

    monkeypatch.setattr(Selection, "changes", counted)
    session = home.enter()
    same = [Reading(home, session, ALL) for _ in range(3)]
    other = Reading(home, home.enter("other"), f"{ALL} WHERE id > 1")
    home.do(session, "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    for reading in same:
        assert reading.take(2) == [("insert", 1), ("insert", 2)]
    assert other.take(1) == [("insert", 2)]
    assert len(evaluated) == 2
    assert len({id(live.selection) for live in live_of(home)}) == 2


def test_there_is_a_limit_for_each_user_and_an_end_gives_the_place_back(home: House):
    session = home.enter()
    readings = [Reading(home, session, ALL) for _ in range(4)]
    with pytest.raises(LimitExceeded, match=r"live\.subscriptions_per_user_max") as refused:
        Reading(home, session, ALL)
    assert refused.value.sqlstate == "53300"
    readings[0].outcome.cancel("enough")
    assert len(live_of(home)) == 3
    Reading(home, session, ALL)


def test_a_live_query_takes_no_place_of_a_running_statement(home: House):
    session = home.enter()
    home.do(session, "INSERT INTO t SELECT value, 'x' FROM generate_series(1, 40000)")
    reading = Reading(home, session, ALL)
    assert len(reading.take(40_000)) == 40_000
    reading.reader.read_next_batch()
    assert home.statements.sources.statements.admission.running == 0
    states = home.do(session, "SELECT state FROM system.queries WHERE text LIKE 'SUBSCRIBE%'")["state"].to_pylist()
    assert states == [RunningState.RUNNING]


def test_nothing_is_held_of_the_first_moment_once_its_rows_are_read(home: House):
    session = home.enter()
    home.do(session, "INSERT INTO t VALUES (1, 'a')")
    reading = Reading(home, session, ALL)
    assert home.engine.snapshots.count() == 1
    assert reading.take(1) == [("insert", 1)]
    reading.reader.read_next_batch()
    assert home.engine.snapshots.count() == 0


def test_what_is_told_before_the_first_fetch_is_not_lost(home: House):
    session = home.enter()
    outcome = home.statements.run(Request(session, ALL))
    home.do(session, "INSERT INTO t VALUES (1, 'a')")
    home.do(session, "DELETE FROM t")
    reader, told = outcome.start(), list[str]()
    while len(told) < 3:
        told += [row["_change"] for row in reader.read_next_batch().to_pylist()]
    assert told == ["progress", "insert", "delete"]


def test_one_that_is_never_fetched_leaves_nothing(home: House):
    session = home.enter()
    outcome = home.statements.run(Request(session, ALL))
    [table] = home.engine.state.catalog.tables.values()
    assert home.engine.feed.has_listener(table.partition_id)
    outcome.cancel("not fetched in time")
    assert not home.engine.feed.has_listener(table.partition_id)
    assert home.engine.snapshots.count() == 0
    with pytest.raises(FrostlineError, match="not fetched"):
        outcome.start()


def test_a_load_straight_into_files_is_told_part_by_part(tmp_path: Path):
    storage = StorageSettings(hot_statement_bytes_max=1, row_group_rows=1024)
    with house(tmp_path, storage) as home:
        session = home.enter()
        home.do(session, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)")
        home.do(session, "INSERT INTO t VALUES (7, 'old')")
        reading = Reading(home, session, f"{ALL} WHERE id % 2 = 1 WITH (snapshot = FALSE)")
        home.do(
            session,
            "INSERT INTO t SELECT value, 'new' FROM generate_series(1, 5000) ON CONFLICT (id) DO UPDATE SET v = 'new'",
        )
        told = reading.take(2500)
        assert sorted(told) == sorted(("update" if n == 7 else "insert", n) for n in range(1, 5001, 2))


def test_changes_that_come_too_fast_end_their_readers_and_stop_no_writer(tmp_path: Path):
    with house(tmp_path, live=LiveSettings(backlog_bytes_max=1)) as home:
        session = home.enter()
        home.do(session, "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR)")
        reading = Reading(home, session, ALL)
        home.do(session, "INSERT INTO t VALUES (1, 'a')")
        with pytest.raises(FrostlineError, match=r"live\.backlog_bytes_max"):
            reading.take(1)
        assert len(live_of(home)) == 0


def test_a_condition_that_fails_ends_its_readers_alone(home: House):
    session = home.enter()
    failing = Reading(home, session, f"{ALL} WHERE 10 / (id - 5) > 0")
    other = Reading(home, session, ALL)
    home.do(session, "INSERT INTO t VALUES (5, 'a')")
    with pytest.raises(FrostlineError) as refused:
        failing.take(1)
    assert refused.value.sqlstate == "22012"
    assert other.take(1) == [("insert", 5)]


def test_many_come_and_go_while_rows_are_written(home: House):
    session = home.enter()
    stop = threading.Event()

    def write() -> None:
        for n in range(10_000):
            if stop.is_set():
                return
            home.do(session, f"INSERT INTO t VALUES ({n}, 'x')")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(30):
            reading = Reading(home, home.enter("reader"), f"{ALL} WITH (last_rows = 1)")
            ids = [id_ for _, id_ in reading.take(4)]
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            reading.outcome.cancel("enough")
    finally:
        stop.set()
        thread.join()
    assert len(live_of(home)) == 0
    assert live_of(home).figures.begun == 30
