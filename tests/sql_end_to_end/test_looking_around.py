"""SHOW, DESCRIBE, EXPLAIN, comments, settings, information_schema and system tables; and what a restart keeps."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

SYSTEM = (
    "namespaces",
    "tables",
    "columns",
    "table_history",
    "users",
    "grants",
    "audit_log",
    "jobs",
    "queries",
    "sessions",
    "cold_files",
    "partitions",
    "settings",
    "stats",
)


@pytest.fixture
def t(client: Client) -> Client:
    client.do("CREATE TABLE t (id INT PRIMARY KEY, s VARCHAR(9) NOT NULL DEFAULT 'x', d DECIMAL(5, 2))")
    client.do("CREATE VIEW v AS SELECT id, d FROM t; INSERT INTO t (id) VALUES (1), (2)")
    return client


def test_show_and_describe(t: Client) -> None:
    assert t.rows("SHOW TABLES") == [(t.namespace, "t", "shared"), (t.namespace, "v", "view")]
    assert t.rows("SHOW TABLES IN system")[0][2] == "system"
    assert t.rows("DESCRIBE t") == t.rows("SHOW COLUMNS FROM t")
    assert t.rows("DESCRIBE t")[1] == ("s", "VARCHAR(9)", "NO", "'x'", None, "")
    assert t.rows("DESCRIBE v")[1][:2] == ("d", "DECIMAL(5, 2)")
    assert t.rows("SHOW CREATE TABLE v")[0][1].endswith("AS SELECT id, d FROM t")
    stats = dict(t.rows("SHOW STATS FOR TABLE t"))
    assert (stats["rows"], stats["hot_rows"], stats["cold_files"]) == (2, 2, 0)
    for sql in ("DESCRIBE nope", "SHOW CREATE TABLE nope", "SHOW STATS FOR TABLE nope"):
        assert t.sqlstate(sql) == "42P01"


def test_comments_are_kept_and_taken_away(t: Client) -> None:
    t.do("COMMENT ON TABLE t IS 'the table'; COMMENT ON COLUMN t.d IS 'a number'; COMMENT ON VIEW v IS 'the view'")
    assert t.rows("DESCRIBE t")[2][5] == "a number"
    sql = f"SELECT comment FROM system.tables WHERE namespace = '{t.namespace}' ORDER BY \"table\""
    assert t.rows(sql) == [("the table",), ("the view",)]
    t.do("COMMENT ON COLUMN t.d IS NULL")
    assert t.rows("DESCRIBE t")[2][5] == ""
    assert t.sqlstate("COMMENT ON COLUMN t.nope IS 'x'") == "42703"


def test_explain_shows_plans_and_changes_nothing(t: Client) -> None:
    assert [row[0] for row in t.rows("EXPLAIN SELECT * FROM t WHERE id = ?", (1,))] == ["logical_plan", "physical_plan"]
    assert "metrics" in t.rows("EXPLAIN ANALYZE SELECT count(*) FROM t")[0][1]
    assert t.sqlstate("EXPLAIN DELETE FROM t") == "0A000"
    assert t.value("SELECT count(*) FROM t") == 2


def test_session_settings_are_set_shown_and_reset(client: Client) -> None:
    client.do("SET durability = 'relaxed'")
    assert client.rows("SHOW durability") == [("relaxed",)]
    client.do("CREATE TABLE t (a INT); INSERT INTO t VALUES (1); RESET durability; SET time_zone = 'Europe/Berlin'")
    assert client.rows("SHOW durability") == [("full",)]
    assert client.table("SELECT now() AS n").schema.field("n").type.tz == "Europe/Berlin"
    client.do("SET schema = 'public'")
    assert client.sqlstate("SELECT * FROM t") == "42P01"
    assert dict(client.rows("SHOW ALL"))["schema"] == "public"


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("SET durability = 'never'", "22023"),
        ("SET time_zone = 'Nowhere/City'", "22023"),
        ("SET schema = 'nowhere'", "3F000"),
        ("SET nothing = 1", "42704"),
        ("SHOW nothing", "42704"),
    ],
)
def test_a_bad_setting_is_refused(client: Client, sql: str, sqlstate: str) -> None:
    assert client.sqlstate(sql) == sqlstate


def test_information_schema_tells_of_tables_columns_and_keys(t: Client) -> None:
    mine = f"table_schema = '{t.namespace}'"
    assert t.rows(f"SELECT table_name, table_type FROM information_schema.tables WHERE {mine} ORDER BY 1") == [
        ("t", "BASE TABLE"),
        ("v", "VIEW"),
    ]
    columns = "column_name, data_type, is_nullable, numeric_precision"
    assert t.rows(
        f"SELECT {columns} FROM information_schema.columns WHERE {mine} ORDER BY table_name, ordinal_position"
    ) == [
        ("id", "INTEGER", "NO", 32),
        ("s", "VARCHAR(9)", "NO", None),
        ("d", "DECIMAL(5, 2)", "YES", 5),
        ("id", "INTEGER", "YES", 32),
        ("d", "DECIMAL(5, 2)", "YES", 5),
    ]
    assert t.rows(f"SELECT constraint_name, column_name FROM information_schema.key_column_usage WHERE {mine}") == [
        ("t_pkey", "id")
    ]


@pytest.mark.parametrize("name", SYSTEM)
def test_system_tables_can_be_read_and_not_written(client: Client, name: str) -> None:
    assert client.value(f"SELECT count(*) FROM system.{name}") >= 0
    assert client.sqlstate(f"DELETE FROM system.{name}") == "42809"
    assert client.sqlstate(f"DROP TABLE system.{name}") == "42939"


def test_a_restart_keeps_all_but_the_session(tmp_path: Path) -> None:
    definitions = (
        "CREATE NAMESPACE kept; USE kept; CREATE TABLE t (id INT PRIMARY KEY, s TEXT DEFAULT 'x') WITH (sort_by = 's');"
        "COMMENT ON TABLE t IS 'c'; INSERT INTO t (id) VALUES (1), (2); DELETE FROM t WHERE id = 1;"
        "ALTER TABLE t ADD COLUMN n INT DEFAULT 5; CREATE VIEW v AS SELECT id, n FROM t"
    )
    facts = 'namespace, "table", kind, rows, options, comment, created, definition'
    looks = (
        "SHOW CREATE TABLE kept.t",
        "SELECT * FROM kept.v",
        "DESCRIBE kept.t HISTORY",
        f"SELECT {facts} FROM system.tables",
    )
    with ServerProcess(tmp_path / "data") as server:
        with server.connect() as connection:
            client = Client(connection)
            client.do(definitions)
            before = [client.rows(sql) for sql in looks]
        server.kill()
    with ServerProcess(tmp_path / "data") as server, server.connect() as connection:
        client = Client(connection)
        assert [client.rows(sql) for sql in looks] == before
        assert client.rows("SHOW schema") == [("public",)]
        assert client.sqlstate("INSERT INTO kept.t (id) VALUES (2)") == "23505"
        assert client.do("INSERT INTO kept.t (id) VALUES (1)") == 1
        newest = client.value("SELECT max(_updated) FROM kept.t")
        assert newest <= dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
