"""Views: stored SELECTs."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client


@pytest.fixture
def v(client: Client) -> Client:
    client.do("CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y')")
    client.do("CREATE VIEW v AS SELECT a, upper(b) AS u FROM t WHERE a > 1")
    return client


def test_views_show_the_rows_of_now_and_nest(v: Client) -> None:
    v.do("CREATE VIEW w (x, y) AS SELECT a, u FROM v")
    v.do("INSERT INTO t VALUES (3, 'z')")
    assert v.rows("SELECT y FROM w ORDER BY x DESC") == [("Z",), ("Y",)]
    assert v.rows("DESCRIBE w")[0][:2] == ("x", "INTEGER")


def test_a_view_reads_its_own_namespace_whoever_asks(v: Client) -> None:
    v.do("USE public")
    assert v.rows(f"SELECT a FROM {v.namespace}.v") == [(2,)]


def test_or_replace_changes_a_view_and_drop_ends_it(v: Client) -> None:
    v.do("CREATE OR REPLACE VIEW v AS SELECT 1 AS one")
    assert v.rows("SELECT * FROM v") == [(1,)]
    v.do("DROP VIEW v; DROP VIEW IF EXISTS v")
    assert v.sqlstate("SELECT * FROM v") == "42P01"


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("CREATE VIEW v AS SELECT 1", "42P07"),
        ("CREATE VIEW t AS SELECT 1", "42P07"),
        ("CREATE OR REPLACE VIEW v AS SELECT * FROM v", "42P19"),
        ("CREATE VIEW w AS SELECT * FROM nope", "42P01"),
        ("CREATE VIEW w AS SELECT nope FROM t", "42703"),
        ("CREATE VIEW w (x) AS SELECT a, b FROM t", "42000"),
        ("DROP VIEW w", "42P01"),
        ("DROP TABLE v", "42809"),
        ("INSERT INTO v VALUES (1, 'x')", "42809"),
        ("DELETE FROM v", "42809"),
        ("CREATE OR REPLACE TABLE v (a INT)", "42P07"),
    ],
)
def test_a_refused_statement_leaves_the_view(v: Client, sql: str, sqlstate: str) -> None:
    assert v.sqlstate(sql) == sqlstate
    assert v.rows("SELECT * FROM v") == [(2, "Y")]


def test_a_view_takes_no_parameters(v: Client) -> None:
    assert v.sqlstate("CREATE VIEW w AS SELECT a FROM t WHERE a = ?") == "07002"
    assert v.sqlstate("CREATE VIEW w AS SELECT a FROM t WHERE a = ?", (1,)) == "42P02"


def test_a_broken_view_breaks_only_itself(v: Client) -> None:
    v.do("DROP TABLE t")
    assert v.sqlstate("SELECT * FROM v") == "42P01"
    sql = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{v.namespace}'"
    assert v.rows(sql) == [("v",)]
    assert v.value("SELECT count(*) FROM information_schema.columns") > 0
