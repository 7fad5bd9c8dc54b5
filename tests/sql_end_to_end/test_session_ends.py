"""What a session holds goes with it: by closing, by idling, and its transaction alone by idling shorter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_server.access.principal import Principal
from flight_server.access.sessions.session import SessionLost
from storage.catalog.users import Role
from storage.errors import Cancelled, ConstraintViolated, LimitExceeded, NotFound
from storage.settings import StorageSettings
from tests.support.in_process import House, house


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as opened:
        yield opened


def test_an_idle_session_frees_its_tables_its_transaction_and_its_snapshot(home: House) -> None:
    session = home.enter()
    home.do(session, "CREATE TEMP TABLE t AS SELECT value AS n FROM generate_series(1, 10000)")
    home.do(session, "CREATE TABLE kept (a INT); BEGIN; INSERT INTO kept VALUES (1)")
    assert (home.engine.temporary.bytes > 80_000, home.engine.snapshots.count()) == (True, 1)
    home.clock.advance(99)
    assert home.sessions.expire_idle() == 0
    home.clock.advance(1)
    assert home.sessions.expire_idle() == 1
    assert (home.engine.temporary.bytes, home.engine.snapshots.count()) == (0, 0)
    again = home.enter()
    with pytest.raises(SessionLost, match="temporary tables and settings are gone"):
        home.do(again, "SELECT 1")
    home.do(again, "ROLLBACK")
    assert home.value(again, "SELECT count(*) FROM kept") == 0
    with pytest.raises(NotFound):
        home.do(again, "SELECT * FROM t")


def test_an_idle_transaction_rolls_back_and_the_session_goes_on(home: House) -> None:
    session = home.enter()
    home.do(session, "CREATE TABLE kept (a INT); CREATE TEMP TABLE t (a INT)")
    home.do(session, "BEGIN; INSERT INTO kept VALUES (1); INSERT INTO t VALUES (1); SAVEPOINT s")
    home.clock.advance(29)
    assert home.sessions.end_idle_transactions(30) == 0
    home.clock.advance(1)
    assert home.sessions.end_idle_transactions(30) == 1
    assert home.engine.snapshots.count() == 0
    home.do(session, "ROLLBACK")
    assert (home.value(session, "SELECT count(*) FROM kept"), home.value(session, "SELECT count(*) FROM t")) == (0, 0)
    with pytest.raises(Exception, match="no transaction is open"):
        home.do(session, "ROLLBACK TO s")


def test_a_closed_session_takes_no_more_temporary_rows(home: House) -> None:
    session = home.enter()
    home.do(session, "CREATE TEMP TABLE t (a INT)")
    transaction = home.engine.begin(session.temporary)
    home.sessions.close(session.id, 0)
    home.do(session, "CREATE TABLE kept (a INT)")
    with pytest.raises(Cancelled, match="the session was closed"):
        home.do(session, "CREATE TEMP TABLE u (a INT)")
    transaction.rollback()
    assert home.engine.temporary.bytes == 0


def test_temporary_tables_are_limited_for_a_session_and_for_all(tmp_path: Path) -> None:
    storage = StorageSettings(temporary_bytes_max=1 << 20, temporary_total_bytes_max=3 << 19)
    rows = "SELECT value AS n FROM generate_series(1, 100000)"  # 0.8 MB, and 0.8 for `_seq`
    with house(tmp_path, storage) as home:
        one, two, three = home.enter("one"), home.enter("two"), home.enter("three")
        with pytest.raises(LimitExceeded, match=r"storage\.temporary_bytes_max"):
            home.do(one, f"CREATE TEMP TABLE t AS {rows}")
        few = rows.replace("100000", "40000")
        home.do(one, f"CREATE TEMP TABLE t AS {few}")
        with pytest.raises(LimitExceeded, match=r"storage\.temporary_bytes_max"):
            home.do(one, f"INSERT INTO t {few}")
        home.do(two, f"CREATE TEMP TABLE t AS {few}")
        with pytest.raises(LimitExceeded, match=r"storage\.temporary_total_bytes_max"):
            home.do(three, f"CREATE TEMP TABLE t AS {few}")
        assert home.value(one, "SELECT count(*) FROM t") == 40000
        home.do(one, "DROP TABLE t")
        home.do(three, f"CREATE TEMP TABLE t AS {few}")
        assert not list((tmp_path / "data" / "cold").rglob("*.parquet"))


def test_one_user_with_many_sessions_does_not_take_the_room_for_all_temporary_tables(tmp_path: Path) -> None:
    storage = StorageSettings(temporary_per_user_bytes_max=1 << 20, temporary_total_bytes_max=3 << 20)
    few = "SELECT value AS n FROM generate_series(1, 40000)"
    with house(tmp_path, storage) as home:
        home.do(home.enter("c"), "CREATE USER 'ann' PASSWORD 'a long one' ROLE user")
        user = Principal("ann", Role.USER)
        ann, again, root = home.enter("a", user), home.enter("b", user), home.enter("c")
        home.do(ann, f"CREATE TEMP TABLE t AS {few}")
        with pytest.raises(LimitExceeded, match=r"of user 'ann' .*storage\.temporary_per_user_bytes_max") as caught:
            home.do(again, f"CREATE TEMP TABLE t AS {few}")
        assert caught.value.sqlstate == "53200"
        home.do(root, f"CREATE TEMP TABLE t AS {few}")
        home.sessions.close(ann.id, 0)
        home.do(again, f"CREATE TEMP TABLE t AS {few}")


def test_keys_of_temporary_tables_count_and_are_given_back(home: House) -> None:
    session = home.enter()
    home.do(session, "CREATE TEMP TABLE plain (n BIGINT); CREATE TEMP TABLE keyed (n BIGINT PRIMARY KEY)")
    rows = "SELECT value FROM generate_series(1, 10000)"
    home.do(session, f"INSERT INTO plain {rows}")
    plain = home.engine.temporary.bytes
    home.do(session, f"INSERT INTO keyed {rows}")
    keyed = home.engine.temporary.bytes - plain
    assert keyed - plain > 10_000 * 165
    home.do(session, "BEGIN")
    home.do(session, "DELETE FROM keyed")
    home.do(session, "ROLLBACK")
    assert home.engine.temporary.bytes == plain + keyed
    with pytest.raises(ConstraintViolated):
        home.do(session, "INSERT INTO keyed VALUES (20000), (1)")
    assert home.engine.temporary.bytes == plain + keyed
    home.do(session, "DROP TABLE keyed")
    assert home.engine.temporary.bytes == plain
    home.do(session, "DROP TABLE plain")
    assert home.engine.temporary.bytes == 0


def test_rows_that_are_replaced_again_and_again_do_not_pile_up(home: House) -> None:
    session = home.enter()
    home.do(session, "CREATE TEMP TABLE t AS SELECT value AS n FROM generate_series(1, 1000)")
    first = home.engine.temporary.bytes
    for _ in range(20):
        home.do(session, "UPDATE t SET n = n + 1")
    assert home.engine.temporary.bytes <= 3 * first
    assert home.value(session, "SELECT min(n) FROM t") == 21


def test_temporary_tables_are_not_on_disk(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        home.do(home.enter(), "CREATE TEMP TABLE t (a INT); INSERT INTO t VALUES (1)")
        assert not home.engine.state.catalog.tables
