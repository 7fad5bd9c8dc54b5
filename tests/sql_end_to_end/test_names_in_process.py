"""Every statement with every kind of name, for namespaces, tables, views, columns and aliases at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flight_server.access.sessions.session import Session
from flight_server.sql.interface.request import Request
from flight_server.sql.live.settings import LiveSettings
from storage.catalog.names import RESERVED_NAMESPACES, quoted
from storage.catalog.users import Role, UserRecord
from storage.errors import FrostlineError
from storage.state.edits import Edit
from tests.sql_end_to_end.odd_names import NAMES, NO_NAMES, TAKEN, text, with_tail
from tests.support.in_process import House, house


class Statements:
    """One session of a database in this process; `{q}`, `{t}` and `{s}` in statements stand for the name at test."""

    def __init__(self, opened: House, session: Session, name: str) -> None:
        self.house, self.session, self.name = opened, session, name

    def rows(self, sql: str, **more: str) -> list[tuple[Any, ...]]:
        q = quoted(self.name)
        said = sql.format(q=q, t=f"{q}.{q}", s=text(self.name), **more)
        return [tuple(row.values()) for row in self.house.do(self.session, said).to_pylist()]

    def columns(self, sql: str) -> list[str]:
        q = quoted(self.name)
        return list(self.house.do(self.session, sql.format(q=q, t=f"{q}.{q}")).schema.names)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("names"), live=LiveSettings()) as made:
        root = UserRecord(name="root", role=Role.SYSTEM, password_hash="", created_ms=0)
        made.engine.commit(Edit(catalog=lambda catalog: catalog.with_user(root)))
        yield made


@pytest.fixture(params=[name for name in NAMES if name not in RESERVED_NAMESPACES], ids=ascii)
def at(opened: House, request: pytest.FixtureRequest) -> Iterator[Statements]:
    """A namespace of the name, and in it a table of the name with a key column of the name: three rows."""
    made = Statements(opened, opened.enter(), request.param)
    made.rows("CREATE NAMESPACE {q}")
    made.rows("CREATE TABLE {t} ({q} INT PRIMARY KEY, amount INT DEFAULT 5, label VARCHAR)")
    made.rows("INSERT INTO {t} ({q}, amount) VALUES (1, 10), (2, 20), (3, 30)")
    yield made
    made.rows("DROP NAMESPACE {q} CASCADE")


def test_queries_name_it_everywhere(at: Statements):
    assert at.rows("SELECT {q}, amount FROM {t} WHERE {q} > 1 ORDER BY {q}") == [(2, 20), (3, 30)]
    assert at.columns("SELECT {q} FROM {t}") == [at.name]
    assert at.rows("SELECT {t}.{q} FROM {t} ORDER BY {t}.{q} LIMIT 1") == [(1,)]
    assert at.rows("SELECT {q}.{q} FROM {t} AS {q} GROUP BY {q}.{q} HAVING max({q}.{q}) > 2") == [(3,)]
    assert at.rows("SELECT f.{q} FROM frostline.{t} AS f WHERE f.{q} = 1") == [(1,)]
    assert at.rows("WITH {q} AS (SELECT 7 AS {q}) SELECT {q} FROM {q}") == [(7,)]
    assert at.rows("SELECT {q}, rank() OVER (PARTITION BY label ORDER BY {q}) FROM {t} QUALIFY rank() OVER ("
                   "PARTITION BY label ORDER BY {q}) = 2") == [(2, 2)]  # fmt: skip


def test_rewritten_queries_keep_it(at: Statements):
    """Each of these goes through sqlglot, since the engine would answer it wrongly."""
    assert at.rows("SELECT b.{q} FROM {t} AS a RIGHT JOIN {t} AS b USING ({q}) ORDER BY 1 LIMIT 1") == [(1,)]
    sql = "SELECT {q}, (SELECT count(*) FROM {t} AS i WHERE i.{q} < {t}.{q}) AS less FROM {t} ORDER BY {q}"
    assert at.rows(sql) == [(1, 0), (2, 1), (3, 2)]
    sql = "SELECT a.{q} FROM {t} AS a WHERE a.{q} NOT IN (SELECT b.{q} FROM {t} AS b WHERE b.{q} <> a.{q}) ORDER BY 1"
    assert at.rows(sql) == [(1,), (2,), (3,)]
    assert at.rows("SELECT {q} IN (SELECT {q} FROM {t}) AS x, {q}, {q} FROM {t} WHERE {q} = 2") == [(True, 2)]
    assert at.rows("SELECT a.{q} FROM {t} AS a LEFT JOIN {t} AS b ON a.{q} IN (SELECT {q} FROM {t}) AND a.{q} = b.{q} "
                   "ORDER BY 1 LIMIT 1") == [(1,)]  # fmt: skip
    assert at.rows("SELECT {q} FROM {t} WHERE amount <> 0 AND 100 / amount > 3 ORDER BY {q}") == [(1,), (2,)]


def test_changes_name_it_everywhere(at: Statements):
    assert at.rows("INSERT INTO {t} ({q}) VALUES (4) RETURNING {q}, amount") == [(4, 5)]
    assert at.rows("INSERT INTO {t} ({q}, amount) VALUES (4, 1) ON CONFLICT ({q}) DO UPDATE SET amount = excluded.{q}, "
                   "label = 'x' RETURNING {q}, amount") == [(4, 4)]  # fmt: skip
    assert at.rows("UPDATE {t} SET amount = {q} + 1 WHERE {q} = 4 RETURNING {t}.{q}, amount") == [(4, 5)]
    assert at.rows("UPDATE {t} AS u SET {q} = u.{q} + 10 WHERE u.{q} = 4 RETURNING u.{q}") == [(14,)]
    assert at.rows("DELETE FROM {t} USING (VALUES (14)) AS d ({q}) WHERE {t}.{q} = d.{q} RETURNING {t}.{q}") == [(14,)]
    at.rows("MERGE INTO {t} AS m USING (VALUES (1, 77), (5, 55)) AS {q} ({q}, amount) ON m.{q} = {q}.{q} "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")  # fmt: skip
    assert at.rows("SELECT {q}, amount FROM {t} WHERE amount > 50 ORDER BY 1") == [(1, 77), (5, 55)]
    at.rows("INSERT INTO {t} SELECT {q} + 100, amount, '@action@' FROM {t}")
    at.rows("TRUNCATE TABLE {t}")
    assert at.rows("SELECT count(*) FROM {t}") == [(0,)]


def test_the_past_is_read_under_it(at: Statements):
    [(seq,)] = at.rows("SELECT max(_seq) FROM {t}")
    at.rows("DELETE FROM {t} WHERE {q} = 1")
    assert at.rows("SELECT {q}.{q} FROM {t} FOR VERSION AS OF {seq} WHERE {q} = 1", seq=str(seq)) == [(1,)]
    at.rows("CREATE VIEW {q}.v ({q}) AS SELECT {q} FROM {t} AS OF VERSION {seq} WHERE {q} = 1", seq=str(seq))
    [(_, written)] = at.rows("SHOW CREATE TABLE {q}.v")
    assert "_frostline" not in written
    at.rows("DROP VIEW {q}.v")
    at.rows(written.replace("{", "{{").replace("}", "}}"))
    assert at.rows("SELECT {q} FROM {q}.v") == [(1,)]
    assert at.rows("SELECT count(*) FROM {t}") == [(2,)]


def test_definitions_come_back_as_they_were(at: Statements):
    at.rows("COMMENT ON COLUMN {t}.{q} IS 'c'")
    at.rows("COMMENT ON TABLE {t} IS {s}")
    at.rows("ALTER TABLE {t} SET (sort_by = {by})", by=text(f"amount, {quoted(at.name)}"))
    at.rows("CREATE STREAM TABLE {q}.events ({q} INT) WITH (retention = '1h', eviction = {order})",
            order=text(f"priority({quoted(at.name)})"))  # fmt: skip
    for table, shown in (("{t}", "SELECT {q}, amount FROM {t}"), ("{q}.events", "SELECT {q} FROM {q}.events")):
        [(_, written)] = at.rows(f"SHOW CREATE TABLE {table}")
        at.rows(f"DROP TABLE {table}")
        for one in written.split(";\n"):
            at.rows(one.replace("{", "{{").replace("}", "}}"))
        assert at.rows(f"SHOW CREATE TABLE {table}")[0][1] == written
        assert at.rows(shown) == []


def test_tables_and_columns_are_renamed_to_it_and_from_it(at: Statements):
    other = with_tail(at.name, "z9")
    at.rows("ALTER TABLE {t} RENAME COLUMN {q} TO {o}, RENAME COLUMN amount TO {q}", o=other)
    assert at.rows("SELECT {q} FROM {t} WHERE {o} = 1", o=other) == [(10,)]
    at.rows("ALTER TABLE {t} RENAME TO {o}", o=other)
    at.rows("ALTER TABLE {q}.{o} DROP COLUMN {q}", o=other)
    at.rows("ALTER TABLE {q}.{o} ADD COLUMN {q} VARCHAR DEFAULT 'new'", o=other)
    assert at.rows("SELECT {q} FROM {q}.{o} LIMIT 1", o=other) == [("new",)]
    at.rows("CREATE VIEW {t} AS SELECT {o} AS {q} FROM {q}.{o}", o=other)
    at.rows("CREATE OR REPLACE VIEW {t} AS SELECT {o} AS {q} FROM {q}.{o} WHERE {o} < 3", o=other)
    assert at.rows("SELECT {q} FROM {t} ORDER BY {q}") == [(1,), (2,)]
    at.rows("CREATE TABLE IF NOT EXISTS {q}.copied AS SELECT * FROM {t}")
    assert at.columns("SELECT * FROM {q}.copied") == [at.name]
    at.rows("DROP VIEW IF EXISTS {t}")


@pytest.mark.parametrize("way", ["USE {q}", "SET schema = {s}"])
def test_a_session_stands_in_it(at: Statements, way: str):
    at.rows(way)
    assert at.rows("SELECT {q} FROM {q} WHERE {q} = 1") == [(1,)]
    at.rows("CREATE TEMP TABLE {q} ({q} INT)")
    at.rows("INSERT INTO {q} VALUES (8)")
    at.rows("UPDATE {q} SET {q} = {q} + 1")
    assert at.rows("SELECT {q}.{q} FROM {q}") == [(9,)]
    at.rows("DROP TABLE {q}")
    at.rows("CREATE USER TABLE mine ({q} INT PRIMARY KEY)")
    at.rows("INSERT INTO mine VALUES (6)")
    assert at.rows("SELECT {q} FROM mine WHERE {q} = 6") == [(6,)]
    at.rows("USE public")


def test_a_live_query_tells_of_it(at: Statements):
    """Also beside columns that every live query has: they get another alias."""
    alias = "col" if at.name in ("_change", "_old_key") else at.name
    q = quoted(at.name)
    sql = f"SUBSCRIBE TO SELECT {q} AS {quoted(alias)}, amount FROM {q}.{q} WHERE {q} > 1 AND {q}.{q} < 9"
    reader = at.house.statements.run(Request(at.session, sql)).start()
    found: list[tuple[Any, ...]] = []
    at.rows("UPDATE {t} SET amount = 0 WHERE {q} = 2")
    while len(found) < 3:
        rows = reader.read_next_batch().to_pylist()
        found += [(row["_change"], row[alias], row["amount"]) for row in rows if row["_change"] != "progress"]
    assert found == [("insert", 2, 20), ("insert", 3, 30), ("update", 2, 0)]
    reader.close()


def test_it_is_listed_as_it_is(at: Statements):
    where = "WHERE table_schema = {s}"
    assert at.rows(f"SELECT table_name FROM information_schema.tables {where}") == [(at.name,)]
    columns = f"SELECT column_name FROM information_schema.columns {where} ORDER BY ordinal_position LIMIT 1"
    assert at.rows(columns) == [(at.name,)]
    assert at.rows(f"SELECT column_name FROM information_schema.key_column_usage {where}") == [(at.name,)]
    assert at.rows('SELECT "table" FROM system.tables WHERE namespace = {s}') == [(at.name,)]
    assert at.rows("DESCRIBE {t}")[0][0] == at.name
    assert (at.name,) in [row[:1] for row in at.rows("SHOW NAMESPACES")]


def test_grants_are_of_it_alone(at: Statements):
    at.rows("CREATE USER IF NOT EXISTS 'ann'")
    at.rows("GRANT SELECT ON {t} TO 'ann'")
    grants = 'SELECT namespace, "table" FROM system.grants'
    assert at.rows(grants) == [(at.name, at.name)]
    assert at.rows("EXECUTE AS USER 'ann' (SELECT {q} FROM {t} WHERE {q} = 1)") == [(1,)]
    at.rows("REVOKE SELECT ON {t} FROM 'ann'")
    assert at.rows(grants) == []
    with pytest.raises(FrostlineError, match="does not exist"):
        at.rows("EXECUTE AS USER 'ann' (SELECT {q} FROM {t})")


@pytest.mark.parametrize(
    ("sql", "state", "words"),
    [
        ("SELECT * FROM {n}", "42P01", "does not exist"),
        ("SELECT * FROM {q}.{n}", "42P01", "does not exist"),
        ("SELECT * FROM {n}.{q}", "42P01", "does not exist"),
        ("SELECT {n} FROM {t}", "42703", "does not exist"),
        ("SELECT {q} FROM {t} AS a, {t} AS b", "42702", "is ambiguous"),
        ("INSERT INTO {t} ({q}) VALUES (1)", "23505", "already exists in table"),
        ("CREATE TABLE {n}.t (a INT)", "3F000", "create it first with CREATE NAMESPACE"),
        ("DROP TABLE {n}", "42P01", "does not exist"),
    ],
)
def test_errors_about_it_are_those_about_any_name(at: Statements, sql: str, state: str, words: str):
    with pytest.raises(FrostlineError, match=words) as refused:
        at.rows(sql, n=with_tail(at.name, "no"))
    assert refused.value.sqlstate == state


DEFINED = (
    "CREATE NAMESPACE {q}",
    "CREATE TABLE {q} (a INT)",
    "CREATE TABLE {q}.t (a INT)",
    "CREATE TABLE bad AS SELECT 1 AS {q}",
    "CREATE TABLE bad (a INT, {q} INT)",
    "CREATE TEMP TABLE {q} (a INT)",
    "CREATE VIEW {q} AS SELECT 1 AS a",
    "CREATE VIEW bad ({q}) AS SELECT 1",
    "ALTER TABLE plain RENAME TO {q}",
    "ALTER TABLE plain RENAME COLUMN a TO {q}",
    "ALTER TABLE plain ADD COLUMN {q} INT",
)


@pytest.mark.parametrize("sql", DEFINED)
@pytest.mark.parametrize("name", [*NO_NAMES, *TAKEN], ids=ascii)
def test_what_is_no_name_is_refused_wherever_one_is_defined(opened: House, name: str, sql: str):
    session = opened.enter()
    opened.do(session, "CREATE TABLE IF NOT EXISTS plain (a INT)")
    long_column = len(name) == 65 and ("COLUMN" in sql or "bad" in sql)
    if long_column:  # columns may be longer
        return
    with pytest.raises(FrostlineError) as refused:
        opened.do(session, sql.format(q=quoted(name)))
    assert refused.value.sqlstate in ("42602", "42939")
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("name", ["_dlt_loads", "_airbyte_raw", "_", "__x", "_1", "é", "Ünï", "ÉA"])
def test_without_quotes_a_name_may_begin_with_an_underscore_or_any_letter(opened: House, name: str):
    session = opened.enter()
    opened.do(session, f"CREATE TABLE {name} ({name}_Id INT PRIMARY KEY, {name} VARCHAR)")
    opened.do(session, f"INSERT INTO {name} ({name}_ID, {name}) VALUES (1, 'x')")
    assert opened.value(session, f"SELECT {name} FROM {name} WHERE {name}_iD = 1") == "x"
    [shown] = opened.do(session, f"SELECT * FROM {name}").schema.names[:1]
    assert shown.endswith("_id")
    opened.do(session, f"DROP TABLE {name}")


def test_names_that_look_alike_when_joined_are_apart(tmp_path: Path):
    """`"a.b".c` and `a."b.c"`, also on disk."""
    pairs = (("a.b", "c"), ("a", "b.c"), ("A", "b.c"), ('a"."b', "c"), ("a", 'b"."c'))
    with house(tmp_path) as opened:
        session = opened.enter()
        for number, (namespace, table) in enumerate(pairs):
            opened.do(session, f"CREATE NAMESPACE IF NOT EXISTS {quoted(namespace)}")
            opened.do(session, f"CREATE TABLE {quoted(namespace)}.{quoted(table)} AS SELECT {number} AS n")
        opened.do(session, 'DROP TABLE "a.b".c')
    with house(tmp_path) as opened:
        session = opened.enter()
        for number, (namespace, table) in list(enumerate(pairs))[1:]:
            assert opened.value(session, f"SELECT n FROM {quoted(namespace)}.{quoted(table)}") == number
