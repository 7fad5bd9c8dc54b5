"""Words that tools ask a server for: who, where, and what it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.sql_client import Client


@pytest.mark.parametrize("word", ["current_schema", "CURRENT_SCHEMA()", "schema()", "pg_catalog.current_schema()"])
def test_the_schema_is_the_sessions_namespace(client: Client, word: str):
    assert client.value(f"SELECT {word}") == client.namespace
    client.do("USE public")
    assert client.value(f"SELECT {word}") == "public"


@pytest.mark.parametrize(
    "word", ["current_database()", "current_catalog", "database()", "pg_catalog.current_database()"]
)
def test_the_database_is_the_one_catalog(client: Client, word: str):
    assert client.value(f"SELECT {word}") == "frostline"
    assert client.value(f"SELECT count(*) FROM information_schema.schemata WHERE catalog_name = {word}") > 0


@pytest.mark.parametrize("word", ["user", "user()", "current_user", "session_user()", "USER"])
def test_the_user_is_who_logged_in(client: Client, word: str):
    assert client.value(f"SELECT {word}") == "root"
    assert client.rows(f"VALUES ({word})") == [("root",)]


@pytest.mark.parametrize("word", ["version()", "pg_catalog.version()", "VERSION( )"])
def test_the_version_names_the_server(client: Client, word: str):
    assert client.value(f"SELECT {word}").startswith("Frostline 0.")


def test_a_column_named_user_stays_a_column(client: Client):
    client.do('CREATE TABLE t (a INT, "user" VARCHAR)')
    client.do("INSERT INTO t (a, user) VALUES (1, 'ann')")
    assert client.rows("SELECT user FROM t WHERE user = 'ann'") == [("ann",)]
    assert client.rows("SELECT user() FROM t") == [("root",)]


def test_in_defaults_and_views_they_stand_for_whoever_runs_the_statement(connect: Callable[[], Client]):
    client, other = connect(), connect()
    client.do("CREATE TABLE t (a INT, who VARCHAR DEFAULT session_user, at VARCHAR DEFAULT upper(current_schema()))")
    client.do("CREATE VIEW v AS SELECT a, current_schema AS s, current_user AS u, current_database() AS d FROM t")
    client.do("INSERT INTO t (a) VALUES (1)")
    assert client.rows("SELECT * FROM t") == [(1, "root", client.namespace.upper())]
    assert client.rows("SELECT * FROM v") == [(1, client.namespace, "root", "frostline")]
    other.do("USE public")
    assert other.rows(f"SELECT * FROM {client.namespace}.v") == [(1, "public", "root", "frostline")]
    assert client.rows("SELECT * FROM v") == [(1, client.namespace, "root", "frostline")]


def test_a_call_of_a_word_is_a_query(client: Client):
    assert client.rows("CALL current_schema") == [(client.namespace,)]
    assert client.rows("CALL current_schema()") == [(client.namespace,)]
    assert client.sqlstate("CALL something()") == "0A000"
