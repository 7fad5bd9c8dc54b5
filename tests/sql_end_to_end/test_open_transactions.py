"""Open transactions: when their snapshot is taken, when the server ends them, and several in one session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flight_server.access.sessions.session import Session
from flight_server.sql.interface.request import Request
from flight_server.sql.scopes.session_transactions import SessionTransaction
from storage.errors import FrostlineError, LimitExceeded
from tests.support.in_process import House, house

IDLE_SECONDS = 300


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as opened:
        opened.do(opened.enter(), "CREATE TABLE t (a INT)")
        yield opened


def ask(home: House, session: Session, sql: str, id_: bytes | None = None) -> list[Any]:
    outcome = home.statements.run(Request(session, sql, id_))
    found: pa.Table = outcome.start().read_all()
    return [value for row in found.to_pylist() for value in row.values()]


def count(home: House, session: Session, id_: bytes | None = None) -> int:
    [value] = ask(home, session, "SELECT count(*) FROM t", id_)
    return int(value)


def refusal(home: House, session: Session, sql: str, id_: bytes | None = None) -> str:
    with pytest.raises(FrostlineError) as raised:
        ask(home, session, sql, id_)
    return raised.value.sqlstate


def begun(home: House, session: Session, by_statement: bool) -> bytes | None:
    if by_statement:
        ask(home, session, "BEGIN")
        return None
    return home.statements.begin(session)


@pytest.mark.parametrize("by_statement", [True, False])
def test_a_snapshot_is_taken_at_the_first_statement_and_holds(home: House, by_statement: bool) -> None:
    pooled, writer = home.enter("pooled"), home.enter("writer")
    id_ = begun(home, pooled, by_statement)
    ask(home, writer, "INSERT INTO t VALUES (1)")
    home.statements.describe(Request(pooled, "SELECT * FROM t", id_))
    ask(home, writer, "INSERT INTO t VALUES (2); CREATE TABLE later (a INT)")
    assert count(home, pooled, id_) == 2
    ask(home, writer, "INSERT INTO t VALUES (3)")
    assert (count(home, pooled, id_), ask(home, pooled, "SELECT * FROM later", id_)) == (2, [])


@pytest.mark.parametrize(
    "first", ["SELECT 1", "SHOW TABLES", "SAVEPOINT s", "INSERT INTO t VALUES (0)", "DELETE FROM t", "DESCRIBE t"]
)
def test_any_statement_is_the_first_one(home: House, first: str) -> None:
    session, writer = home.enter("s1"), home.enter("writer")
    ask(home, session, "BEGIN")
    ask(home, session, first)
    before = count(home, session)
    ask(home, writer, "INSERT INTO t VALUES (1)")
    assert count(home, session) == before


@pytest.mark.parametrize("by_statement", [True, False])
def test_a_transaction_that_did_nothing_never_expires_and_holds_no_snapshot(home: House, by_statement: bool) -> None:
    session = home.enter()
    id_ = begun(home, session, by_statement)
    home.clock.advance(10 * IDLE_SECONDS)
    assert (home.sessions.end_idle_transactions(IDLE_SECONDS), home.engine.snapshots.count()) == (0, 0)
    ask(home, session, "INSERT INTO t VALUES (1)", id_)
    home.statements.end(session, id_ or b"", True)
    assert count(home, session) == 1


@pytest.mark.parametrize("by_statement", [True, False])
def test_nothing_runs_outside_of_a_transaction_that_the_server_ended_and_rollback_succeeds(
    home: House, by_statement: bool
) -> None:
    session = home.enter()
    id_ = begun(home, session, by_statement)
    ask(home, session, "INSERT INTO t VALUES (1)", id_)
    home.clock.advance(IDLE_SECONDS)
    assert home.sessions.end_idle_transactions(IDLE_SECONDS) == 1
    states = [refusal(home, session, sql, id_) for sql in ("INSERT INTO t VALUES (2)", "SELECT 1", "SAVEPOINT s")]
    assert states == ["25P03"] * 3
    ask(home, session, "ROLLBACK", id_)
    home.statements.end(session, id_ or b"", False)
    assert (count(home, session), count(home, session, home.statements.begin(session))) == (0, 0)


def test_a_commit_of_what_the_server_ended_is_an_error_once(home: House) -> None:
    session = home.enter()
    ask(home, session, "BEGIN; INSERT INTO t VALUES (1)")
    home.clock.advance(IDLE_SECONDS)
    home.sessions.end_idle_transactions(IDLE_SECONDS)
    assert refusal(home, session, "COMMIT") == "25P03"
    ask(home, session, "BEGIN; INSERT INTO t VALUES (2); COMMIT")
    assert count(home, session) == 1


def test_a_failed_commit_can_be_rolled_back(home: House) -> None:
    session, writer = home.enter("s1"), home.enter("writer")
    ask(home, session, "CREATE TABLE k (a INT PRIMARY KEY); INSERT INTO k VALUES (1)")
    id_ = home.statements.begin(session)
    ask(home, session, "UPDATE k SET a = 2", id_)
    ask(home, writer, "UPDATE k SET a = 3")
    with pytest.raises(FrostlineError):
        home.statements.end(session, id_, True)
    home.statements.end(session, id_, False)
    assert ask(home, session, "SELECT a FROM k") == [3]


def test_transactions_of_one_session_run_side_by_side_by_their_ids(home: House) -> None:
    session = home.enter()
    first, second = home.statements.begin(session), home.statements.begin(session)
    ask(home, session, "INSERT INTO t VALUES (1)", first)
    ask(home, session, "INSERT INTO t VALUES (2), (3)", second)
    assert (count(home, session, first), count(home, session, second), count(home, session)) == (1, 2, 0)
    assert count(home, home.enter("other")) == 0
    home.statements.end(session, first, True)
    assert (count(home, session, second), count(home, home.enter("other"))) == (2, 1)
    home.statements.end(session, second, False)
    assert count(home, session) == 1


def test_a_busy_transaction_does_not_keep_an_idle_one_of_its_session(home: House) -> None:
    session = home.enter()
    busy, idle = home.statements.begin(session), home.statements.begin(session)
    ask(home, session, "INSERT INTO t VALUES (1)", idle)
    home.clock.advance(IDLE_SECONDS)
    ask(home, session, "INSERT INTO t VALUES (2)", busy)
    assert home.sessions.end_idle_transactions(IDLE_SECONDS) == 1
    assert (refusal(home, session, "SELECT 1", idle), count(home, session, busy)) == ("25P03", 1)


def test_a_result_that_is_being_read_keeps_its_transaction(home: House) -> None:
    session = home.enter()
    id_ = home.statements.begin(session)
    outcome = home.statements.run(Request(session, "SELECT * FROM t", id_))
    home.clock.advance(IDLE_SECONDS)
    assert home.sessions.end_idle_transactions(IDLE_SECONDS) == 0
    outcome.start().read_all()
    home.clock.advance(IDLE_SECONDS)
    assert home.sessions.end_idle_transactions(IDLE_SECONDS) == 1


def test_a_cancelled_result_leaves_its_transaction_once(home: House) -> None:
    session = home.enter()
    id_ = home.statements.begin(session)
    cancelled, read = (
        home.statements.run(Request(session, "SELECT * FROM generate_series(1, 5000000)", id_)) for _ in range(2)
    )
    reader = cancelled.start()
    reader.read_next_batch()
    cancelled.cancel("enough")
    with pytest.raises(FrostlineError):
        reader.read_all()
    cancelled.cancel("once more")
    home.clock.advance(IDLE_SECONDS)
    assert home.sessions.end_idle_transactions(IDLE_SECONDS) == 0  # the other one waits to be read
    read.cancel("nobody reads it")
    home.clock.advance(IDLE_SECONDS)
    assert home.sessions.end_idle_transactions(IDLE_SECONDS) == 1


def test_no_statement_begins_in_a_transaction_that_the_server_is_ending(home: House) -> None:
    session = home.enter()
    home.statements.begin(session)
    ask(home, session, "INSERT INTO t VALUES (1)")
    [opened] = session.transactions
    assert isinstance(opened, SessionTransaction)
    home.clock.advance(IDLE_SECONDS)
    assert opened.ends_idle(home.clock.monotonic_seconds() - IDLE_SECONDS)
    assert refusal(home, session, "INSERT INTO t VALUES (2)") == "25P03"
    assert refusal(home, session, "SELECT 1") == "25P03"


def test_a_failed_statement_does_not_keep_its_transaction(home: House) -> None:
    session = home.enter()
    id_ = home.statements.begin(session)
    for sql in ("SELECT nothing", "INSERT INTO nowhere VALUES (1)", "SHOW COLUMNS FROM nowhere", "ROLLBACK TO nothing"):
        refusal(home, session, sql, id_)
    ask(home, session, "SELECT 1", id_)
    home.clock.advance(IDLE_SECONDS)
    assert home.sessions.end_idle_transactions(IDLE_SECONDS) == 1


def test_a_session_may_have_a_hundred_transactions(home: House) -> None:
    session = home.enter()
    for _ in range(100):
        home.statements.begin(session)
    with pytest.raises(LimitExceeded, match="100 transactions"):
        home.statements.begin(session)


def test_transactions_are_listed_each_for_itself(home: House) -> None:
    session = home.enter()
    first = home.statements.begin(session)
    home.statements.begin(session)
    ask(home, session, "INSERT INTO t VALUES (1)", first)
    listed = "SELECT tables_changed FROM system.transactions ORDER BY snapshot_seq IS NULL"
    assert ask(home, home.enter("other"), listed) == [1, 0]
