"""INSERT: values, queries, defaults, RETURNING, and what must not get in."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.support.sql_client import Client


@pytest.fixture
def people(client: Client) -> Client:
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT DEFAULT 7, s VARCHAR(5) NOT NULL DEFAULT 'none')")
    client.do("INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b')")
    return client


def test_values_queries_and_common_tables_insert_rows(people: Client) -> None:
    assert people.do("INSERT INTO t (n, id) VALUES (1, 50)") == 1
    assert people.do("INSERT INTO t (id, n) SELECT id + 100, n FROM t") == 3
    assert people.do("WITH w AS (SELECT 7 AS a) INSERT INTO t (id) SELECT a FROM w") == 1
    assert people.do("INSERT INTO t (id) (SELECT 8)") == 1
    assert people.do("INSERT INTO t (id, n) SELECT i, i * 2 FROM generate_series(1000, 1009) AS g(i)") == 10
    assert people.rows("SELECT id, n FROM t WHERE id IN (7, 50, 150) ORDER BY id") == [(7, 7), (50, 1), (150, 1)]


def test_default_fills_what_is_left_out_or_asked_for(people: Client) -> None:
    assert people.rows("INSERT INTO t (id, n) VALUES (3, DEFAULT), (4, 5) RETURNING *") == [
        (3, 7, "none"),
        (4, 5, "none"),
    ]
    people.do("CREATE TABLE d (a INT DEFAULT 1, b TEXT DEFAULT 'it''s')")
    assert people.rows("INSERT INTO d DEFAULT VALUES RETURNING *") == [(1, "it's")]


def test_default_functions_give_each_row_its_own_value(client: Client) -> None:
    client.do(
        "CREATE TABLE t (i INT, u UUID DEFAULT uuid_v7(), s BIGINT DEFAULT snowflake_id(), c TEXT DEFAULT current_user,"
        " z TIMESTAMP WITH TIME ZONE DEFAULT now(), l INT[] DEFAULT [1, 2], e INT DEFAULT 1 + 2)"
    )
    client.do("INSERT INTO t (i) VALUES (1), (2), (3)")
    assert client.rows("SELECT count(DISTINCT u), count(DISTINCT s), count(DISTINCT z) FROM t") == [(3, 3, 1)]
    assert client.rows("SELECT DISTINCT c, l, e, length(u) FROM t") == [("root", [1, 2], 3, 36)]
    age = dt.datetime.now(dt.UTC) - client.rows("SELECT z FROM t LIMIT 1")[0][0]
    assert dt.timedelta(0) <= age < dt.timedelta(minutes=1)


def test_defaults_of_many_values_land_in_their_rows(client: Client) -> None:
    client.do("CREATE TABLE t (a INT, b INT DEFAULT -1)")
    values = ", ".join(f"({i}, {'DEFAULT' if i % 3 == 0 else i})" for i in range(20_000))
    assert client.do(f"INSERT INTO t VALUES {values}") == 20_000
    assert client.value("SELECT count(*) FROM t WHERE b <> CASE WHEN a % 3 = 0 THEN -1 ELSE a END") == 0


def test_returning_computes_over_the_new_rows(people: Client) -> None:
    assert people.rows("INSERT INTO t (id, n) VALUES (5, 21) RETURNING n * 2 AS twice, upper(s)") == [(42, "NONE")]


@pytest.mark.parametrize(
    ("sql", "sqlstate", "named"),
    [
        ("INSERT INTO t (id) VALUES (3), (1)", "23505", "(1)"),
        ("INSERT INTO t (id) VALUES (3), (3)", "23505", "(3)"),
        ("INSERT INTO t (id) VALUES (3), (NULL)", "23502", "'id'"),
        ("INSERT INTO t VALUES (3, 1, NULL)", "23502", "'s'"),
        ("INSERT INTO t (id, s) VALUES (3, 'abc'), (4, 'abcdef')", "22001", "'s'"),
        ("INSERT INTO t (id, n) VALUES (3, 1), (4, 3000000000)", "22003", "'n'"),
        ("INSERT INTO t (id, n) SELECT 3, 3000000000", "22003", "'n'"),
        ("INSERT INTO t (id, n) VALUES (3, 'x')", "22P02", "'n'"),
        ("INSERT INTO t (id, n) SELECT id + 10, 1 / (n - 10) FROM t", "22012", "division by zero"),
        ("INSERT INTO t (id, n) SELECT 3", "42601", "2 of table"),
        ("INSERT INTO t VALUES (3, 4)", "42601", "3 columns"),
        ("INSERT INTO t (id, n) VALUES (3, 4), (5)", "42601", "row 2"),
        ("INSERT INTO t (id, id) VALUES (3, 4)", "42701", "'id'"),
        ("INSERT INTO t (nope) VALUES (1)", "42703", "'nope'"),
        ("INSERT INTO t (id, _seq) VALUES (3, 4)", "428C9", "'_seq'"),
        ("INSERT INTO nope VALUES (1)", "42P01", "nope'"),
        ("INSERT INTO system.stats VALUES ('a', 1)", "42809", "system.stats"),
    ],
)
def test_a_row_that_does_not_fit_stores_none_of_the_statement(
    people: Client, sql: str, sqlstate: str, named: str
) -> None:
    refused = people.refusal(sql)
    assert refused.sqlstate == sqlstate, refused
    assert named in refused.message
    assert people.rows("SELECT * FROM t ORDER BY id") == [(1, 10, "a"), (2, 20, "b")]
