"""ON CONFLICT: new rows that meet old ones by their primary key."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client


@pytest.fixture(params=["hot", "cold"])
def t(request: pytest.FixtureRequest, client: Client) -> Client:
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT DEFAULT 7, s TEXT)")
    client.do("INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b')")
    if request.param == "cold":
        client.flush("t")
    return client


def test_do_update_mixes_old_and_new(t: Client) -> None:
    sql = "INSERT INTO t VALUES (1, 5, 'x'), (3, 5, 'y') ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n, s = "
    assert sorted(t.rows(f"{sql} t.s || excluded.s RETURNING *")) == [(1, 15, "ax"), (3, 5, "y")]
    assert t.rows("SELECT * FROM t ORDER BY id") == [(1, 15, "ax"), (2, 20, "b"), (3, 5, "y")]


def test_do_update_takes_the_new_row_as_it_is(t: Client) -> None:
    sql = "INSERT INTO t VALUES (2, 77, 'w'), (9, 9, 'z') ON CONFLICT (id) DO UPDATE SET n = excluded.n, s = excluded.s"
    assert t.do(sql) == 2
    assert t.rows("SELECT * FROM t ORDER BY id") == [(1, 10, "a"), (2, 77, "w"), (9, 9, "z")]


def test_do_update_where_default_alias_and_subquery(t: Client) -> None:
    new = "INSERT INTO t VALUES (1, 100, 'w'), (2, 200, 'w') ON CONFLICT (id) DO UPDATE SET"
    assert t.rows(f"{new} n = excluded.n WHERE t.id = 2 RETURNING *") == [(2, 200, "b")]
    assert t.rows(f"{new} n = DEFAULT WHERE t.id = 1 RETURNING n") == [(7,)]
    assert t.rows(f"{new} n = (SELECT max(n) FROM t) WHERE t.id = 1 RETURNING n") == [(200,)]
    assert t.rows("INSERT INTO t AS o (id) VALUES (2) ON CONFLICT (id) DO UPDATE SET n = o.n + 1 RETURNING n") == [
        (201,)
    ]


def test_do_nothing_keeps_the_first_of_each_key(t: Client) -> None:
    assert t.do("INSERT INTO t VALUES (1, 5, 'x') ON CONFLICT (id) DO NOTHING") == 0
    sql = "INSERT INTO t VALUES (1, 5, 'x'), (30, 1, 'x'), (30, 2, 'y') ON CONFLICT DO NOTHING RETURNING *"
    assert t.rows(sql) == [(30, 1, "x")]


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("INSERT INTO t VALUES (5, 1, 'x'), (5, 2, 'y') ON CONFLICT (id) DO UPDATE SET n = excluded.n", "21000"),
        ("INSERT INTO t VALUES (1, 1, 'x') ON CONFLICT (n) DO NOTHING", "42P10"),
        ("INSERT INTO t VALUES (1, 1, 'x') ON CONFLICT DO UPDATE SET n = 1", "42601"),
        ("INSERT INTO t VALUES (1, 1, 'x') ON CONFLICT (id) DO UPDATE SET id = 2", "23505"),
        ("INSERT INTO t VALUES (1, 1, 'x') ON CONFLICT (id) DO UPDATE SET nope = 2", "42703"),
        ("INSERT INTO t VALUES (1, 1, 'x') ON CONFLICT (id) DO UPDATE SET n = n + 1", "42702"),
        ("INSERT INTO t VALUES (3, 1, 'x'), (1, 1, 'x') ON CONFLICT (id) DO UPDATE SET n = t.n / 0", "22012"),
    ],
)
def test_a_refused_upsert_stores_nothing(t: Client, sql: str, sqlstate: str) -> None:
    assert t.sqlstate(sql) == sqlstate
    assert t.rows("SELECT * FROM t ORDER BY id") == [(1, 10, "a"), (2, 20, "b")]


def test_on_conflict_needs_a_primary_key(client: Client) -> None:
    client.do("CREATE TABLE k (a INT)")
    assert client.sqlstate("INSERT INTO k VALUES (1) ON CONFLICT (a) DO NOTHING") == "42P10"
