"""FETCH FIRST gives the rows that LIMIT gives, wherever a query may stand."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client

FETCH = "OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY"


@pytest.fixture
def numbers(client: Client) -> Client:
    client.do("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR); INSERT INTO t VALUES (1,'x'),(2,'y'),(3,'z'),(4,'w')")
    return client


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT a FROM t ORDER BY a {}", [(2,), (3,)]),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a DESC {}) q ORDER BY a", [(2,), (3,)]),
        ("WITH q AS (SELECT a FROM t ORDER BY a {}) SELECT sum(a) FROM q", [(5,)]),
        ("SELECT a FROM t UNION ALL SELECT a FROM t ORDER BY a {}", [(1,), (2,)]),
        ("(SELECT a FROM t ORDER BY a {}) UNION ALL SELECT 9 ORDER BY 1", [(2,), (3,), (9,)]),
        ("VALUES (1), (2), (3), (4) ORDER BY 1 {}", [(2,), (3,)]),
        ("SELECT a FROM t WHERE a IN (SELECT a FROM t ORDER BY a {}) ORDER BY a", [(2,), (3,)]),
        ("SELECT (SELECT max(a) FROM (SELECT a FROM t ORDER BY a {}) q)", [(3,)]),
        ("SELECT a FROM t x LEFT JOIN (SELECT a AS c FROM t ORDER BY a {}) y ON x.a = y.c WHERE c > 2", [(3,)]),
    ],
)
def test_in_queries_of_every_form(numbers: Client, sql: str, rows: list[tuple[int]]):
    assert numbers.rows(sql.format(FETCH)) == rows
    assert numbers.rows(sql.format("LIMIT 2 OFFSET 1")) == rows


def test_with_parameters_in_the_order_that_they_are_written(numbers: Client):
    assert numbers.rows("SELECT a FROM t ORDER BY a OFFSET ? ROWS FETCH NEXT ? ROWS ONLY", (3, 1)) == [(4,)]
    assert numbers.rows("SELECT a FROM t WHERE a > ? ORDER BY a FETCH NEXT ? ROWS ONLY", (1, 2)) == [(2,), (3,)]
    assert len(numbers.parameters("SELECT a FROM t OFFSET ? ROWS FETCH NEXT ? ROWS ONLY")) == 2


def test_in_views_tables_and_changes(numbers: Client):
    numbers.do(f"CREATE VIEW v AS SELECT a FROM t ORDER BY a {FETCH}")
    assert sorted(numbers.rows("SELECT a FROM v")) == [(2,), (3,)]
    again = numbers.rows("SHOW CREATE TABLE v")[0][1]
    numbers.do("DROP VIEW v")
    numbers.do(again)
    assert sorted(numbers.rows("SELECT a FROM v")) == [(2,), (3,)]
    assert numbers.do(f"CREATE TABLE u AS SELECT a FROM t {FETCH}") == 2
    assert numbers.do(f"INSERT INTO u SELECT a + 10 FROM t {FETCH}") == 2
    assert numbers.do(f"UPDATE t SET b = 'new' WHERE a IN (SELECT a FROM t ORDER BY a {FETCH})") == 2
    assert numbers.do(f"DELETE FROM t WHERE a IN (SELECT a FROM t ORDER BY a {FETCH})") == 2
    assert numbers.rows("SELECT a FROM t ORDER BY a") == [(1,), (4,)]


def test_at_the_end_of_a_change_it_is_refused_like_limit(numbers: Client):
    assert numbers.sqlstate("DELETE FROM t FETCH FIRST ROW ONLY") == "42601"
    assert numbers.sqlstate("SELECT a FROM t LIMIT 1 FETCH FIRST ROW ONLY") == "42601"
    assert numbers.sqlstate("SELECT a FROM t FETCH FIRST 1 ROW WITH TIES") == "0A000"
