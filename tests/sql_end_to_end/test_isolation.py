"""The classic anomalies, one by one, between two ADBC connections that commit by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from adbc_driver_flightsql import dbapi
from adbc_driver_manager import Error

from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client

Pair = tuple[Client, Client]


@pytest.fixture
def pair(server: ServerProcess, client: Client) -> Iterator[Pair]:
    """Two connections with a transaction open in each, and a table with two rows."""
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 10), (2, 20)")
    with ExitStack() as stack:
        yield _manual(stack, server, client.namespace), _manual(stack, server, client.namespace)


def _manual(stack: ExitStack, server: ServerProcess, namespace: str) -> Client:
    credentials = {"username": "root", "password": ROOT_PASSWORD}
    opened = Client(stack.enter_context(dbapi.connect(server.uri, db_kwargs=credentials)), namespace)
    opened.do(f"USE {namespace}")
    opened.connection.rollback()
    return opened


def _newest(client: Client, sql: str) -> Any:
    """The value as a transaction sees it that begins now: the driver begins the next one at the end of the last."""
    client.connection.rollback()
    return client.value(sql)


def test_no_dirty_read(pair: Pair) -> None:
    one, two = pair
    one.do("UPDATE t SET n = 11 WHERE id = 1")
    assert two.value("SELECT n FROM t WHERE id = 1") == 10
    one.connection.rollback()
    assert two.value("SELECT n FROM t WHERE id = 1") == 10


def test_no_dirty_write(pair: Pair) -> None:
    one, two = pair
    one.do("UPDATE t SET n = 11")
    two.do("UPDATE t SET n = 12")
    one.connection.commit()
    with pytest.raises(Error, match="40001"):
        two.connection.commit()
    assert one.rows("SELECT n FROM t ORDER BY id") == [(11,), (11,)]


def test_no_read_of_what_never_was_final(pair: Pair) -> None:
    """Intermediate reads: of several changes of a row only the last one is ever seen."""
    one, two = pair
    one.do("UPDATE t SET n = 101 WHERE id = 1")
    assert two.value("SELECT n FROM t WHERE id = 1") == 10
    two.connection.rollback()
    one.do("UPDATE t SET n = 11 WHERE id = 1")
    one.connection.commit()
    assert _newest(two, "SELECT n FROM t WHERE id = 1") == 11


def test_no_non_repeatable_read(pair: Pair) -> None:
    one, two = pair
    assert two.value("SELECT n FROM t WHERE id = 1") == 10
    one.do("UPDATE t SET n = 11 WHERE id = 1")
    one.connection.commit()
    assert two.value("SELECT n FROM t WHERE id = 1") == 10
    two.connection.rollback()
    assert two.value("SELECT n FROM t WHERE id = 1") == 11


def test_no_read_skew(pair: Pair) -> None:
    """Two rows that always sum to 30 do so for a reader, too, that looks at one after the other."""
    one, two = pair
    first = two.value("SELECT n FROM t WHERE id = 1")
    one.do("UPDATE t SET n = n + 5 WHERE id = 1")
    one.do("UPDATE t SET n = n - 5 WHERE id = 2")
    one.connection.commit()
    assert first + two.value("SELECT n FROM t WHERE id = 2") == 30


def test_no_phantom(pair: Pair) -> None:
    one, two = pair
    assert two.value("SELECT count(*) FROM t WHERE n >= 10") == 2
    one.do("INSERT INTO t VALUES (3, 30)")
    one.do("DELETE FROM t WHERE id = 1")
    one.connection.commit()
    assert two.rows("SELECT id FROM t WHERE n >= 10 ORDER BY id") == [(1,), (2,)]


def test_no_lost_update_and_the_conflict_is_told_at_the_statement(pair: Pair) -> None:
    one, two = pair
    read = two.value("SELECT n FROM t WHERE id = 1")
    one.do("UPDATE t SET n = n + 1 WHERE id = 1")
    one.connection.commit()
    assert two.sqlstate(f"UPDATE t SET n = {read + 1} WHERE id = 1") == "40001"
    two.connection.rollback()
    two.do("UPDATE t SET n = n + 1 WHERE id = 1")
    two.connection.commit()
    assert _newest(one, "SELECT n FROM t WHERE id = 1") == 12


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM t WHERE id = 1",
        "INSERT INTO t VALUES (3, 33)",
        "INSERT INTO t VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
        "MERGE INTO t USING (VALUES (1)) AS s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = 5",
    ],
)
def test_a_conflict_with_what_is_committed_is_told_at_the_statement(pair: Pair, change: str) -> None:
    one, two = pair
    assert two.value("SELECT count(*) FROM t") == 2
    one.do("UPDATE t SET n = 11")
    one.do("INSERT INTO t VALUES (3, 3)")
    one.connection.commit()
    assert two.sqlstate(change) == "40001"
    two.do("INSERT INTO t VALUES (4, 4)")  # the transaction goes on without the statement
    two.connection.commit()
    one.connection.rollback()  # its next transaction began before that commit
    assert one.rows("SELECT id, n FROM t ORDER BY id") == [(1, 11), (2, 11), (3, 3), (4, 4)]


def test_write_skew_is_possible_as_documented(pair: Pair) -> None:
    """Each reads both rows and changes another one: snapshot isolation lets both commit, docs/sql.md says so."""
    one, two = pair
    for who, id_ in ((one, 1), (two, 2)):
        assert who.value("SELECT sum(n) FROM t") == 30
        who.do(f"UPDATE t SET n = n - 30 WHERE id = {id_}")
    one.connection.commit()
    two.connection.commit()
    assert _newest(one, "SELECT sum(n) FROM t") == -30


def test_writing_what_was_read_turns_write_skew_into_a_conflict(pair: Pair) -> None:
    """The way out that docs/sql.md names: change the rows that the decision rests on."""
    one, two = pair
    for who, id_ in ((one, 1), (two, 2)):
        assert who.value("SELECT sum(n) FROM t") == 30
        who.do(f"UPDATE t SET n = CASE WHEN id = {id_} THEN n - 30 ELSE n END")
    one.connection.commit()
    with pytest.raises(Error, match="40001"):
        two.connection.commit()
    assert _newest(one, "SELECT sum(n) FROM t") == 0
