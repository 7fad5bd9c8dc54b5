"""Transactions: as SQL and by ADBC's autocommit=False; own writes, rollback, and who comes second."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from adbc_driver_flightsql import dbapi
from adbc_driver_manager import Error

from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client

Connect = Callable[[], Client]


@pytest.fixture
def other(client: Client, connect: Connect) -> Client:
    """A second session, beside `client`'s, on the same table."""
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 10), (2, 20)")
    return connect()


def test_own_writes_are_seen_at_once_by_others_after_commit(client: Client, other: Client) -> None:
    client.do("BEGIN")
    client.do("INSERT INTO t VALUES (3, 30)")
    client.do("UPDATE t SET n = n + 1")
    client.do("DELETE FROM t WHERE id = 1")
    assert client.rows("SELECT * FROM t ORDER BY id") == [(2, 21), (3, 31)]
    assert other.rows("SELECT * FROM t ORDER BY id") == [(1, 10), (2, 20)]
    client.do("COMMIT")
    assert other.rows("SELECT * FROM t ORDER BY id") == [(2, 21), (3, 31)]


def test_a_transaction_reads_one_moment(client: Client, other: Client) -> None:
    client.do("BEGIN")
    assert client.value("SELECT sum(n) FROM t") == 30
    other.do("UPDATE t SET n = 0; INSERT INTO t VALUES (9, 9)")
    assert client.value("SELECT sum(n) FROM t") == 30
    client.do("ROLLBACK")
    assert client.value("SELECT sum(n) FROM t") == 9


def test_a_failed_statement_undoes_only_itself(client: Client, other: Client) -> None:
    client.do("BEGIN; INSERT INTO t VALUES (3, 30)")
    assert client.sqlstate("INSERT INTO t VALUES (4, 40), (1, 0)") == "23505"
    assert client.sqlstate("UPDATE t SET n = 1 / (id - 2)") == "22012"
    client.do("COMMIT")
    assert other.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]


def test_rollback_undoes_rows_and_definitions(client: Client, other: Client) -> None:
    client.do("BEGIN; TRUNCATE t; INSERT INTO t VALUES (1, 0); CREATE TABLE made (a INT); INSERT INTO made VALUES (1)")
    client.do("ALTER TABLE made ADD COLUMN b INT DEFAULT 3; DROP TABLE t")
    assert client.rows("SELECT * FROM made") == [(1, 3)]
    assert client.sqlstate("SELECT * FROM t") == "42P01"
    assert other.sqlstate("SELECT * FROM made") == "42P01"
    client.do("ROLLBACK")
    assert client.sqlstate("SELECT * FROM made") == "42P01"
    assert client.rows("SELECT * FROM t ORDER BY id") == [(1, 10), (2, 20)]


def test_keys_may_be_deleted_and_inserted_again_within(client: Client, other: Client) -> None:
    client.do("BEGIN; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (2, 222); UPDATE t SET n = n + 1 WHERE id = 2")
    client.do("COMMIT")
    assert other.rows("SELECT * FROM t ORDER BY id") == [(1, 10), (2, 223)]


def test_of_two_that_change_a_row_the_second_gets_a_conflict(client: Client, other: Client) -> None:
    client.do("BEGIN; UPDATE t SET n = 99 WHERE id = 1; INSERT INTO t VALUES (7, 7)")
    other.do("UPDATE t SET n = 98 WHERE id = 1")
    assert client.sqlstate("COMMIT") == "40001"
    assert client.rows("SELECT * FROM t ORDER BY id") == [(1, 98), (2, 20)]


def test_of_two_that_insert_a_key_the_second_is_refused(client: Client, other: Client) -> None:
    client.do("BEGIN; INSERT INTO t VALUES (7, 1)")
    other.do("INSERT INTO t VALUES (7, 2)")
    assert client.sqlstate("COMMIT") == "23505"
    assert client.rows("SELECT n FROM t WHERE id = 7") == [(2,)]


def test_begin_and_commit_out_of_place_are_refused(client: Client) -> None:
    assert client.sqlstate("COMMIT") == "25000"
    client.do("ROLLBACK")  # there is nothing to undo
    client.do("BEGIN")
    assert client.sqlstate("BEGIN") == "25000"
    client.do("ROLLBACK")
    assert client.sqlstate("SAVEPOINT a") == "25P01"


@pytest.fixture
def manual(server: ServerProcess, client: Client) -> Iterator[Client]:
    """A connection that commits only when told."""
    credentials = {"username": "root", "password": ROOT_PASSWORD}
    with dbapi.connect(server.uri, db_kwargs=credentials) as connection:
        opened = Client(connection, client.namespace)
        opened.do(f"USE {client.namespace}")
        yield opened


def test_adbc_commits_and_rolls_back(client: Client, manual: Client) -> None:
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
    manual.connection.rollback()
    manual.do("INSERT INTO t VALUES (1, 1)")
    assert (manual.value("SELECT count(*) FROM t"), client.value("SELECT count(*) FROM t")) == (1, 0)
    manual.connection.rollback()
    assert manual.value("SELECT count(*) FROM t") == 0
    manual.do_many("INSERT INTO t VALUES (?, ?)", [(1, 1), (2, 2)])
    assert manual.ingest("t", pa.table({"id": [3, 4]}), mode="append") == 2
    manual.connection.commit()
    assert client.rows("SELECT * FROM t ORDER BY id") == [(1, 1), (2, 2), (3, None), (4, None)]


def test_adbc_commit_tells_of_a_conflict(client: Client, manual: Client) -> None:
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 1)")
    manual.connection.rollback()
    manual.do("UPDATE t SET n = 2")
    client.do("UPDATE t SET n = 3")
    with pytest.raises(Error, match="40001"):
        manual.connection.commit()
    assert client.value("SELECT n FROM t") == 3


def test_open_transactions_are_listed(client: Client, other: Client) -> None:
    mine = "FROM system.transactions WHERE started = (SELECT max(started) FROM system.transactions)"
    before = client.value("SELECT count(*) FROM system.transactions")
    client.do("BEGIN; UPDATE t SET n = 0; CREATE TABLE made (a INT); SAVEPOINT s")
    found = other.rows(f'SELECT "user", tables_changed, definitions_changed, savepoints {mine}')
    assert found == [("root", 1, 1, 1)]
    assert other.value(f"SELECT idle_ms >= 0 AND snapshot_seq > 0 {mine}")
    client.do("COMMIT")
    assert client.value("SELECT count(*) FROM system.transactions") == before
