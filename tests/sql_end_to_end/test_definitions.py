"""SHOW CREATE TABLE is a statement that makes the same table; histories tell who changed what."""

from __future__ import annotations

import pyarrow as pa

from tests.sql_end_to_end.arrow_columns import arrow_columns
from tests.sql_end_to_end.people import People
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

DEFINED = (
    "CREATE TABLE t (a INT, b VARCHAR(3) NOT NULL DEFAULT 'it''s', \"C c\" DECIMAL(5, 2)[], d STRUCT<x INT, y DATE>, "
    "e TIMESTAMP(3) WITH TIME ZONE DEFAULT now(), f UUID, g JSON, h MAP<VARCHAR, INT>, i BINARY(4), "
    "PRIMARY KEY (b, a)) WITH (deleted_retention = '3h', flush_policy = 'rows:5,interval:7', sort_by = 'a', "
    "compression = 'none', "
    "access_level = 'public')",
    "COMMENT ON TABLE t IS 'it''s; a table'",
    "COMMENT ON COLUMN t.\"C c\" IS 'one; two'",
    "ALTER TABLE t ADD COLUMN j BIGINT DEFAULT 5",
)


def again(client: Client, table: str) -> tuple[str, str]:
    """SHOW CREATE TABLE before the table was dropped, and after its output was run."""
    [[_, before]] = client.rows(f"SHOW CREATE TABLE {table}")
    client.do(f"DROP TABLE {table}")
    client.do(before)
    [[_, after]] = client.rows(f"SHOW CREATE TABLE {table}")
    return before, after


def test_show_create_table_makes_the_same_table(client: Client) -> None:
    for statement in DEFINED:
        client.do(statement)
    described = client.rows("DESCRIBE t")
    options = client.value(f"SELECT options FROM system.tables WHERE namespace = '{client.namespace}'")
    before, after = again(client, "t")
    assert before == after
    assert client.rows("DESCRIBE t") == described
    assert client.value(f"SELECT options FROM system.tables WHERE namespace = '{client.namespace}'") == options
    assert client.value(f"SELECT comment FROM system.tables WHERE namespace = '{client.namespace}'") == "it's; a table"


def test_a_loaded_table_is_made_again_with_the_nearest_sql_types(client: Client) -> None:
    columns = arrow_columns()
    client.ingest("t", pa.table(columns))
    client.do("CREATE TABLE copied AS SELECT 1 AS a")
    before, after = again(client, "t")
    assert "/* Arrow: large_string */" in before
    assert client.rows("DESCRIBE t")[0][0] == next(iter(columns))
    assert len(after.splitlines()) == len(before.splitlines())


def test_a_view_is_made_again(client: Client) -> None:
    client.do("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a AS \"B\" FROM t; COMMENT ON VIEW v IS 'it''s one'")
    before, after = client.value("SELECT 1"), client.rows("SHOW CREATE TABLE v")
    assert before == 1
    [[_, sql]] = after
    client.do("DROP VIEW v")
    client.do(sql)
    assert client.rows("SHOW CREATE TABLE v") == after


def test_describe_history_tells_who_changed_what(client: Client) -> None:
    client.do("CREATE TABLE t (a INT); ALTER TABLE t ADD COLUMN b INT; ALTER TABLE t DROP COLUMN a")
    history = client.table("DESCRIBE t HISTORY")
    assert history.column_names == ["version", "changed", "changed_by", "operation", "name", "create_statement"]
    shown = history.select(["version", "changed_by", "operation"]).to_pylist()
    assert [tuple(row.values()) for row in shown] == [
        (1, "root", "CREATE TABLE"),
        (2, "root", 'ADD COLUMN "b"'),
        (3, "root", 'DROP COLUMN "a"'),
    ]


def test_histories_and_figures_tell_nobody_what_is_not_theirs(server: ServerProcess) -> None:
    with People(server) as people:
        root, where = people.root, f"WHERE namespace = '{people.namespace}'"
        root.do("CREATE TABLE mine (a INT) WITH (access_level = 'public'); CREATE TABLE secret (a INT)")
        root.do("INSERT INTO mine VALUES (1); INSERT INTO secret VALUES (42)")
        root.do("CREATE TABLE gone (a INT); DROP TABLE gone")
        root.flush("mine")
        root.flush("secret")
        user = people.connect("user")
        assert user.rows(f'SELECT DISTINCT "table", changed_by FROM system.table_history {where}') == [("mine", None)]
        assert user.rows(f'SELECT "table", min FROM system.column_stats {where}') == [("mine", "1")]
        root.do(f"GRANT INSERT ON secret TO '{people.name('user')}'")
        seen = user.rows(f'SELECT DISTINCT "table" FROM system.tables {where} ORDER BY 1')
        assert seen == [("mine",), ("secret",)]
        assert user.rows(f'SELECT "table", min FROM system.column_stats {where}') == [("mine", "1")]
        asked = f"EXECUTE AS USER '{people.name('user')}' (SELECT current_user, session_user, current_role)"
        assert root.rows(asked) == [(people.name("user"), "root", "user")]
        dropped = f"{where} AND operation = 'DROP TABLE'"
        assert people.connect("dba").value(f'SELECT "table" FROM system.table_history {dropped}') == "gone"
