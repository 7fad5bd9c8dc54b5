"""Namespaces and tables: made, replaced, altered, dropped; every refusal names the thing."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client


def test_namespaces_come_and_go(client: Client) -> None:
    client.do("CREATE NAMESPACE first; CREATE SCHEMA IF NOT EXISTS first; CREATE TABLE first.t (a INT)")
    client.do("ALTER NAMESPACE first SET DESCRIPTION 'the first one'")
    assert ("first", "the first one") in client.rows("SHOW NAMESPACES")
    assert client.refusal("DROP NAMESPACE first").message.startswith("namespace 'first' is not empty (holds t)")
    client.do("DROP NAMESPACE first CASCADE; DROP NAMESPACE IF EXISTS first")
    assert client.sqlstate("SELECT * FROM first.t") in ("42P01", "3F000")
    assert client.sqlstate("SHOW TABLES IN first") == "3F000"


def test_create_table_as_keeps_names_types_and_rows(client: Client) -> None:
    assert client.do("CREATE TABLE a AS SELECT 1 AS x, 'y' AS \"Y\", 1.5::DECIMAL(5, 2) AS d") == 1
    assert client.do("CREATE TABLE b AS SELECT * FROM a LIMIT 0") == 0
    assert client.table("SELECT * FROM b").schema == client.table("SELECT * FROM a").schema
    assert client.do("CREATE OR REPLACE TABLE a AS SELECT x + 1 AS x FROM a") == 1
    assert client.rows("SELECT * FROM a") == [(2,)]
    client.do("CREATE TABLE IF NOT EXISTS a (other INT)")
    assert client.rows("SELECT * FROM a") == [(2,)]


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("CREATE NAMESPACE system", "42939"),
        ("CREATE NAMESPACE public", "42P06"),
        ("DROP NAMESPACE public", "2BP01"),
        ("DROP NAMESPACE nowhere", "3F000"),
        ("ALTER NAMESPACE nowhere SET DESCRIPTION 'x'", "3F000"),
        ("USE nowhere", "3F000"),
        ("CREATE TABLE t (a INT)", "42P07"),
        ("CREATE TABLE nowhere.t (a INT)", "3F000"),
        ("CREATE TABLE system.t (a INT)", "42939"),
        ("CREATE TABLE u (_seq INT)", "42939"),
        ("CREATE TABLE u (a INT, A INT)", "42701"),
        ("CREATE TABLE u (a NOTHING)", "42704"),
        ("CREATE TABLE u ()", "42601"),
        ("CREATE TABLE u (a INT, PRIMARY KEY (b))", "42703"),
        ("CREATE TABLE u (a INT[] PRIMARY KEY)", "42P16"),
        ("CREATE TABLE u (a INT PRIMARY KEY, b INT PRIMARY KEY)", "42P16"),
        ("CREATE TABLE u (a INT DEFAULT 'x')", "42P17"),
        ("CREATE TABLE u (a INT DEFAULT nothing())", "42P17"),
        ("CREATE TABLE u (a INT, b INT DEFAULT a)", "42P17"),
        ("CREATE TABLE u (a INT) WITH (speed = 3)", "22023"),
        ("CREATE TABLE u (a INT) WITH (flush_policy = 'rows:some')", "22023"),
        ("CREATE TABLE u (a VARCHAR(5)[])", "0A000"),
        ("CREATE TABLE u (a STRUCT<b CHAR(2)>)", "0A000"),
        ("CREATE TABLE u (a INTERVAL[])", "0A000"),
        ("CREATE TABLE u AS SELECT 1 AS a, 2 AS a", "42701"),
        ("CREATE TABLE u AS SELECT nothing", "42703"),
        ("CREATE TABLE u AS SELECT 1 / 0 AS a", "22012"),
        ("DROP TABLE u", "42P01"),
        ("DROP VIEW t", "42809"),
        ("ALTER TABLE u ADD COLUMN b INT", "42P01"),
    ],
)
def test_a_refused_definition_leaves_no_table_behind(client: Client, sql: str, sqlstate: str) -> None:
    client.do("CREATE TABLE t (a INT)")
    assert client.sqlstate(sql) == sqlstate
    assert [row[1] for row in client.rows("SHOW TABLES")] == ["t"]


def test_or_replace_and_drop_forget_the_old_rows_and_keys(client: Client) -> None:
    client.do("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)")
    client.flush("t")
    client.do("CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, x TEXT)")
    assert client.rows("SELECT * FROM t") == []
    assert client.do("INSERT INTO t VALUES (1, 'new')") == 1
    client.do("DROP TABLE t; DROP TABLE IF EXISTS t; CREATE TABLE t (id INT PRIMARY KEY)")
    assert client.do("INSERT INTO t VALUES (1)") == 1


def test_show_create_table_makes_the_same_table_again(client: Client) -> None:
    client.do(
        "CREATE TABLE t (id INT, \"Name\" VARCHAR(9) NOT NULL DEFAULT 'it''s', a INT[], s STRUCT<x INT, \"Y\" TEXT>, "
        "m MAP<TEXT, DOUBLE>, d DECIMAL(9, 3), z TIMESTAMP(3) WITH TIME ZONE, u SMALLINT UNSIGNED, PRIMARY KEY "
        "(id, \"Name\")) WITH (flush_policy = 'rows:5', sort_by = 'd', deleted_retention = '1h', compression = 'zstd')"
    )
    made = client.rows("SHOW CREATE TABLE t")[0][1]
    described = client.rows("DESCRIBE t")
    client.do("DROP TABLE t")
    client.do(made)
    assert client.rows("SHOW CREATE TABLE t")[0][1] == made
    assert client.rows("DESCRIBE t") == described
