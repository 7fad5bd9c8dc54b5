"""Settings under PostgreSQL's names, as drivers and tools ask for them and set them."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client


@pytest.mark.parametrize(
    "sql",
    ["SET search_path TO {}", "SET search_path = {}", "SET search_path TO '{}'", "SET SCHEMA '{}'", "SET schema = {}"],
)
def test_the_search_path_is_the_namespace(client: Client, sql: str):
    client.do("CREATE TABLE t (a INT)")
    own = client.namespace
    client.do("USE public")
    client.do(sql.format(own))
    assert client.rows("SHOW search_path") == [(own,)]
    assert client.table("SHOW search_path").column_names == ["search_path"]
    assert client.rows("SHOW schema") == [(own,)]
    assert client.value("SELECT current_schema") == own
    assert client.rows("SELECT * FROM t") == []
    client.do("RESET search_path")
    assert client.rows("SHOW search_path") == [("public",)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server_version", None),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
        ("transaction_isolation", "repeatable read"),
        ("TRANSACTION ISOLATION LEVEL", "repeatable read"),
        ("default_transaction_isolation", "repeatable read"),
    ],
)
def test_what_is_always_so_is_shown(client: Client, name: str, value: str | None):
    [[shown]] = client.rows(f"SHOW {name}")
    assert shown == value or (value is None and client.value("SELECT version()") == f"Frostline {shown}")


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("SET client_encoding TO 'utf-8'", ""),
        ("SET client_encoding TO latin1", "22023"),
        ("SET standard_conforming_strings = on", ""),
        ("SET standard_conforming_strings = off", "22023"),
        ("SET server_version = '9'", "22023"),
        ("SET search_path TO a, b", "0A000"),
        ("SET search_path TO nowhere", "3F000"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED", ""),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "0A000"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "0A000"),
        ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE", ""),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "0A000"),
        ("SET TRANSACTION READ ONLY", "0A000"),
        ("SET TRANSACTION", "42601"),
        ("SET TRANSACTION SOMETHING", "42601"),
        ("BEGIN; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; COMMIT", ""),
    ],
)
def test_setting_what_holds_is_fine_and_all_else_is_refused(client: Client, sql: str, sqlstate: str):
    if sqlstate:
        assert client.sqlstate(sql) == sqlstate
    else:
        client.do(sql)
