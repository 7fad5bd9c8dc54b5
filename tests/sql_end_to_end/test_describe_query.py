"""DESCRIBE of a query says what its columns would be, and runs nothing."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client


@pytest.fixture
def described(client: Client) -> Client:
    client.do("CREATE TABLE t (a INT NOT NULL, b VARCHAR, c DECIMAL(10, 2), d TIMESTAMP WITH TIME ZONE)")
    return client


@pytest.mark.parametrize("form", ["DESCRIBE {}", "DESC {}", "DESCRIBE ({})", "DESCRIBE WITH q AS ({}) SELECT * FROM q"])
def test_in_every_form(described: Client, form: str):
    rows = described.rows(form.format("SELECT a, b, c, d, a + 1 AS e FROM t"))
    assert [row[:2] for row in rows] == [
        ("a", "INTEGER"),
        ("b", "VARCHAR"),
        ("c", "DECIMAL(10, 2)"),
        ("d", "TIMESTAMP WITH TIME ZONE"),
        ("e", "BIGINT"),
    ]
    assert described.table("DESCRIBE SELECT 1").column_names == ["column_name", "data_type", "nullable"]


def test_it_is_what_the_query_gives(described: Client):
    described.do("CREATE VIEW v AS SELECT a, count(*) AS n FROM t GROUP BY a")
    told = described.rows("DESCRIBE SELECT * FROM v")
    assert [(row[0], row[1]) for row in told] == [(row[0], row[1]) for row in described.rows("DESCRIBE v")]


def test_names_may_repeat_and_nothing_is_run(described: Client):
    assert [row[0] for row in described.rows("DESCRIBE SELECT a, a FROM t")] == ["a", "a"]
    assert described.rows("DESCRIBE SELECT 1 / 0 AS never FROM t")[0][:2] == ("never", "BIGINT")
    assert described.rows("DESCRIBE VALUES (1, 'x')")[1][1] == "VARCHAR"


def test_with_parameters(described: Client):
    assert described.parameters("DESCRIBE SELECT a FROM t WHERE a = ? AND b = ?") != []
    assert described.rows("DESCRIBE SELECT ? AS x, a FROM t WHERE a > ?", ("text", 1))[0][:2] == ("x", "VARCHAR")


def test_in_a_transaction_and_what_is_wrong(described: Client):
    described.do("BEGIN")
    described.do("CREATE TABLE u (z INT)")
    assert described.rows("DESCRIBE SELECT z FROM u")[0][:2] == ("z", "INTEGER")
    described.do("ROLLBACK")
    assert described.sqlstate("DESCRIBE SELECT z FROM u") == "42P01"
    assert described.sqlstate("DESCRIBE SELECT nothing FROM t") == "42703"
    assert described.sqlstate("DESCRIBE (SELECT a FROM t") == "42601"
    assert described.sqlstate("DESCRIBE SELECT a FROM t FOR UPDATE") == "0A000"
