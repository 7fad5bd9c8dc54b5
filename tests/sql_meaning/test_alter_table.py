"""ALTER TABLE: old rows, in memory and in files, are read as the newest schema; nothing may be narrowed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.sql_client import Client


@pytest.fixture
def t(client: Client) -> Client:
    """One row in a file, one in memory."""
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n SMALLINT, s VARCHAR(5))")
    client.do("INSERT INTO t VALUES (1, 10, 'cold')")
    client.flush("t")
    client.do("INSERT INTO t VALUES (2, 20, 'hot')")
    return client


def everywhere(client: Client, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    """The same answer as it is, flushed and compacted."""
    assert client.rows(sql) == rows
    client.flush("t")
    assert client.rows(sql) == rows
    client.compact("t")
    assert client.rows(sql) == rows


def test_a_new_column_gives_old_rows_its_default(t: Client) -> None:
    t.do("ALTER TABLE t ADD COLUMN c INT DEFAULT 5, ADD d TEXT, ADD COLUMN e INT NOT NULL DEFAULT 9")
    t.do("ALTER TABLE t ALTER COLUMN c SET DEFAULT 6")
    t.do("INSERT INTO t (id) VALUES (3)")
    everywhere(t, "SELECT id, c, d, e FROM t ORDER BY id", [(1, 5, None, 9), (2, 5, None, 9), (3, 6, None, 9)])


def test_a_column_dropped_and_added_again_is_another_one(t: Client) -> None:
    t.do("ALTER TABLE t DROP COLUMN n")
    t.do("ALTER TABLE t ADD COLUMN n TEXT")
    t.do("INSERT INTO t (id, n) VALUES (3, 'new')")
    everywhere(t, "SELECT id, n FROM t ORDER BY id", [(1, None), (2, None), (3, "new")])


def test_renamed_columns_keep_their_rows_and_keys(t: Client) -> None:
    t.do("ALTER TABLE t RENAME COLUMN n TO s2")
    t.do("ALTER TABLE t RENAME COLUMN id TO k")
    assert t.sqlstate("INSERT INTO t (k) VALUES (1)") == "23505"
    assert t.sqlstate("SELECT n FROM t") == "42703"
    everywhere(t, "SELECT k, s2 FROM t ORDER BY k", [(1, 10), (2, 20)])


def test_types_widen_and_never_narrow(t: Client) -> None:
    t.do("ALTER TABLE t ALTER COLUMN n TYPE BIGINT, ALTER COLUMN s TYPE TEXT, ALTER COLUMN id SET DATA TYPE BIGINT")
    t.do("INSERT INTO t VALUES (3000000000, 9000000000, 'longer than five')")
    assert t.sqlstate("INSERT INTO t VALUES (1, 1, 'x')") == "23505"
    rows = [(1, 10, "cold"), (2, 20, "hot"), (3_000_000_000, 9_000_000_000, "longer than five")]
    everywhere(t, "SELECT * FROM t ORDER BY id", rows)


@pytest.mark.parametrize(
    ("action", "sqlstate"),
    [
        ("ADD COLUMN n INT", "42701"),
        ("ADD COLUMN d INT NOT NULL", "23502"),
        ("ADD COLUMN d UUID DEFAULT uuid_v7()", "0A000"),
        ("ADD COLUMN d INT DEFAULT 'x'", "42P17"),
        ("ADD COLUMN _deleted INT", "42939"),
        ("ADD PRIMARY KEY (n)", "0A000"),
        ("DROP COLUMN nope", "42703"),
        ("DROP COLUMN id", "2BP01"),
        ("RENAME COLUMN nope TO x", "42703"),
        ("RENAME COLUMN n TO s", "42701"),
        ("ALTER COLUMN n TYPE TINYINT", "42804"),
        ("ALTER COLUMN n TYPE REAL, ALTER COLUMN n TYPE INT", "42804"),
        ("ALTER COLUMN n TYPE TEXT", "42804"),
        ("ALTER COLUMN s TYPE VARCHAR(4)", "42804"),
        ("ALTER COLUMN s TYPE UUID", "42804"),
        ("ALTER COLUMN s TYPE JSON", "42804"),
        ("ALTER COLUMN id TYPE TEXT", "42804"),
        ("ALTER COLUMN id DROP NOT NULL", "42P16"),
        ("ALTER COLUMN nope SET NOT NULL", "42703"),
        ("RENAME TO other", "42P07"),
        ("SET (speed = 1)", "22023"),
        ("ADD COLUMN d INT, DROP COLUMN nope", "42703"),
    ],
)
def test_a_refused_action_changes_nothing(t: Client, action: str, sqlstate: str) -> None:
    t.do("CREATE TABLE other (a INT)")
    assert t.sqlstate(f"ALTER TABLE t {action}") == sqlstate
    assert t.rows("SELECT * FROM t ORDER BY id") == [(1, 10, "cold"), (2, 20, "hot")]
    assert [row[1] for row in t.rows("DESCRIBE t")] == ["INTEGER", "SMALLINT", "VARCHAR(5)"]


def test_not_null_is_checked_against_the_rows_there_are(t: Client) -> None:
    t.do("INSERT INTO t (id, n) VALUES (3, 1)")
    assert t.sqlstate("ALTER TABLE t ALTER COLUMN s SET NOT NULL") == "23502"
    t.do("UPDATE t SET s = '' WHERE s IS NULL; ALTER TABLE t ALTER COLUMN s SET NOT NULL")
    assert t.sqlstate("INSERT INTO t (id) VALUES (4)") == "23502"
    t.do("ALTER TABLE t ALTER COLUMN s DROP NOT NULL")
    assert t.do("INSERT INTO t (id) VALUES (4)") == 1


def test_a_table_keeps_its_rows_under_a_new_name(t: Client) -> None:
    t.do("ALTER TABLE t RENAME TO moved")
    assert t.rows("SELECT id FROM moved ORDER BY id") == [(1,), (2,)]
    assert t.sqlstate("SELECT * FROM t") == "42P01"
    t.do("ALTER TABLE moved SET (flush_policy = 'rows:5')")
    assert "rows:5" in t.rows("SHOW CREATE TABLE moved")[0][1]
    assert [row[0] for row in t.rows("DESCRIBE moved HISTORY")] == [1, 2, 3]
    t.do("ALTER TABLE IF EXISTS t ADD COLUMN x INT")
