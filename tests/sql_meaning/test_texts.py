"""A text as such: several statements, comments, parameters of all of them, and what is no statement."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client


def test_statements_of_one_text_run_in_order_and_see_each_other(client: Client) -> None:
    assert client.do("CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2)") == 2
    assert client.rows("CREATE TABLE u AS SELECT a + 1 AS b FROM t; SELECT * FROM u ORDER BY b;") == [(2,), (3,)]
    assert client.rows("CREATE TABLE w (a INT); INSERT INTO w VALUES (5) RETURNING a * 2 AS twice") == [(10,)]
    assert client.rows("USE public; SHOW schema") == [("public",)]


def test_a_text_stops_at_its_first_error(client: Client) -> None:
    client.do("CREATE TABLE t (a INT)")
    assert client.sqlstate("INSERT INTO t VALUES (1); INSERT INTO nope VALUES (1); INSERT INTO t VALUES (2)") == "42P01"
    assert client.sqlstate("INSERT INTO t VALUES (3); SELECT 1 / 0 FROM t; INSERT INTO t VALUES (4)") == "22012"
    assert client.rows("SELECT a FROM t ORDER BY a") == [(1,), (3,)]


def test_parameters_are_those_of_the_whole_text(client: Client) -> None:
    client.do("CREATE TABLE t (a INT, b TEXT)")
    assert client.do("INSERT INTO t VALUES ($1, $2); UPDATE t SET b = $2 || $3 WHERE a = $1", (1, "x", "y")) == 1
    assert client.do("CREATE TABLE made AS SELECT ? AS x", (5,)) == 1
    assert client.rows("SELECT * FROM made") == [(5,)]
    assert client.rows("SELECT * FROM t -- a comment; with a semicolon\n WHERE b = ? /* ? */", ("xy",)) == [(1, "xy")]


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        (";", "42601"),
        ("-- nothing", "42601"),
        ("SELEC 1", "42601"),
        ("SELECT 'unended", "42601"),
        ("SELECT ?, $1", "42601"),
        ("SELECT $2", "42P02"),
        ("COPY t TO 'x'", "0A000"),
        ("GRANT dba TO u", "0A000"),
        ("SELECT * FROM 'x.parquet'", "42P01"),
    ],
)
def test_what_is_no_statement_is_refused(client: Client, sql: str, sqlstate: str) -> None:
    assert client.sqlstate(sql) == sqlstate
