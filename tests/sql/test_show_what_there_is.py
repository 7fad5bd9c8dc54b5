"""SHOW and DESCRIBE, run by their executors alone: the columns and the rows of each answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from flight_server.parser.statements.session import DescribeQuery, Show, ShowKind
from flight_server.sql.show.describe_query import DESCRIBED_SCHEMA, describe_query
from flight_server.sql.show.show import describe, show
from storage.errors import FrostlineError
from tests.support.in_process import House, house

SETUP = (
    "CREATE NAMESPACE shop",
    "ALTER NAMESPACE shop SET DESCRIPTION 'what we sell'",
    "CREATE TABLE shop.items (id BIGINT PRIMARY KEY, name VARCHAR(20) NOT NULL DEFAULT 'x', amount INT)",
    "COMMENT ON COLUMN shop.items.amount IS 'pieces'",
    "ALTER TABLE shop.items ADD COLUMN colour VARCHAR",
    "INSERT INTO shop.items (id, amount) VALUES (1, 2), (2, 3)",
    "DELETE FROM shop.items WHERE id = 1",
    "CREATE VIEW shop.names AS SELECT name FROM shop.items",
    "CREATE STREAM TABLE shop.ticks (n BIGINT) WITH (retention = '1h')",
    "INSERT INTO shop.ticks VALUES (1), (2), (3)",
    "CREATE USER 'ann' WITH PASSWORD 'a long password'",
    "GRANT SELECT ON shop.items TO 'ann'",
)
DESCRIBED = ["column", "type", "nullable", "default", "key", "comment"]
Rows = list[tuple[Any, ...]]
ANSWERS: dict[str, tuple[list[str], Rows]] = {
    "SHOW NAMESPACES": (["namespace", "description"], [("shop", "what we sell")]),
    "SHOW TABLES IN shop": (
        ["namespace", "table", "kind"],
        [("shop", "items", "shared"), ("shop", "names", "view"), ("shop", "ticks", "stream")],
    ),
    "SHOW TABLES IN system": (["namespace", "table", "kind"], [("system", "jobs", "system")]),
    "SHOW COLUMNS FROM shop.items": (
        DESCRIBED,
        [
            ("id", "BIGINT", "NO", None, "primary key 1", ""),
            ("name", "VARCHAR(20)", "NO", "'x'", None, ""),
            ("amount", "INTEGER", "YES", None, None, "pieces"),
            ("colour", "VARCHAR", "YES", None, None, ""),
        ],
    ),
    "DESCRIBE shop.names": (DESCRIBED, [("name", "VARCHAR", "NO", None, None, "")]),
    "DESCRIBE shop.ticks": (
        DESCRIBED,
        [("n", "BIGINT", "YES", None, None, ""), ("events_buffered", "figure", None, "3", None, "")],
    ),
    "SHOW STATS FOR TABLE shop.items": (
        ["statistic", "value"],
        [("rows", 1), ("hot_rows", 2), ("cold_files", 0), ("deleted_versions", 1), ("schema_version", 3)],
    ),
    "SHOW time_zone": (["time_zone"], [("+00:00",)]),
    "SHOW ALL": (["name", "value"], [("durability", "full")]),
    "SHOW USERS": (["user", "role"], [("ann", "user"), ("root", "system")]),
    "SHOW GRANTS FOR 'ann'": (["user", "table", "privilege"], [("ann", "items", "SELECT")]),
    "SHOW GRANTS": (["user", "table", "privilege"], [("ann", "items", "SELECT")]),
    "SHOW STORAGES": (["storage"], [("local",)]),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("shown")) as opened:
        session = opened.enter()
        for sql in SETUP:
            opened.do(session, sql)
        yield opened


def answered(home: House, sql: str) -> pa.Table:
    with home.running(home.enter(), sql) as (context, statement):
        return (show if isinstance(statement, Show) else describe)(context, statement)


def test_every_kind_of_show_is_tried_here(home: House):
    kinds = {ShowKind.CREATE_TABLE}  # below
    for sql in ANSWERS:
        with home.running(home.enter(), sql) as (_, statement):
            kinds |= {statement.kind} if isinstance(statement, Show) else set()
    assert kinds == set(ShowKind)


@pytest.mark.parametrize("sql", ANSWERS)
def test_an_answer_has_these_columns_and_among_its_rows_these(home: House, sql: str):
    columns, rows = ANSWERS[sql]
    table = answered(home, sql)
    assert [name for name in table.schema.names if name in columns] == columns
    found = [tuple(row[name] for name in columns) for row in table.to_pylist()]
    assert [row for row in rows if row not in found] == []


@pytest.mark.parametrize("name", ["shop.items", "shop.ticks", "shop.names"])
def test_what_is_shown_as_a_definition_makes_the_same_again(home: House, name: str):
    [row] = answered(home, f"SHOW CREATE TABLE {name}").to_pylist()
    assert row["table"] == name
    again = row["create_statement"].replace(f'"{name.split(".")[1]}"', '"again"')
    session = home.enter()
    home.do(session, again)
    [other] = answered(home, "SHOW CREATE TABLE shop.again").to_pylist()
    home.do(session, f"DROP {'VIEW' if 'VIEW' in again[:30] else 'TABLE'} shop.again")
    assert other["create_statement"] == again


def test_the_history_of_a_table_has_a_row_for_each_version(home: House):
    rows = answered(home, "DESCRIBE shop.items HISTORY").to_pylist()
    assert [row["version"] for row in rows] == [1, 2, 3]
    assert {row["changed_by"] for row in rows} == {"root"}
    assert "colour" not in rows[0]["create_statement"]
    assert "colour" in rows[-1]["create_statement"]


def test_a_query_is_described_without_being_run(home: House):
    with home.running(home.enter(), "DESCRIBE SELECT id, 1 / 0 AS never, name FROM shop.items") as (context, statement):
        assert isinstance(statement, DescribeQuery)
        table = describe_query(context, statement)
    assert table.schema == DESCRIBED_SCHEMA
    assert table["column_name"].to_pylist() == ["id", "never", "name"]
    assert table["data_type"].to_pylist()[::2] == ["BIGINT", "VARCHAR"]


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("SHOW TABLES IN nowhere", "3F000"),
        ("SHOW COLUMNS FROM shop.nothing", "42P01"),
        ("SHOW CREATE TABLE shop.nothing", "42P01"),
        ("SHOW STATS FOR TABLE shop.nothing", "42P01"),
        ("SHOW no_such_variable", "42704"),
        ("SHOW GRANTS FOR 'nobody'", "42704"),
        ("DESCRIBE shop.nothing HISTORY", "42P01"),
    ],
)
def test_what_is_not_there_is_named(home: House, sql: str, sqlstate: str):
    with pytest.raises(FrostlineError) as refused:
        answered(home, sql)
    assert refused.value.sqlstate == sqlstate
