"""Constraints that are NOT ENFORCED are kept, shown and followed, and nobody takes them for true."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sql_end_to_end.definer import Definer, definer

PARENT = 'CREATE TABLE parent (id BIGINT PRIMARY KEY, "Other id" BIGINT UNIQUE NOT ENFORCED)'
# Kind, what it says of a column, and of a table with that column.
KINDS = {
    "UNIQUE": ("UNIQUE", "UNIQUE ({column})"),
    "CHECK": ("CHECK ({column} > 0)", "CHECK ({column} > 0)"),
    "FOREIGN KEY": (
        "REFERENCES parent ON DELETE CASCADE",
        "FOREIGN KEY ({column}) REFERENCES public.parent (id) ON DELETE CASCADE ON UPDATE NO ACTION",
    ),
}
FORMS = {
    "column": "CREATE TABLE t (k INT, {column} BIGINT {name} {of_column} NOT ENFORCED)",
    "table": "CREATE TABLE t (k INT, {column} BIGINT, {name} {of_table} NOT ENFORCED)",
    "add": "CREATE TABLE t (k INT, {column} BIGINT); ALTER TABLE t ADD {name} {of_table} NOT ENFORCED",
    "add column": "CREATE TABLE t (k INT); ALTER TABLE t ADD COLUMN {column} BIGINT {name} {of_column} NOT ENFORCED",
}
NAMED = {"named": 'CONSTRAINT "My name"', "unnamed": ""}
COLUMNS = {"plain": "a", "quoted": '"A b"'}
CASES = list(itertools.product(KINDS, FORMS, NAMED, COLUMNS))


@pytest.fixture
def d(tmp_path: Path) -> Iterator[Definer]:
    with definer(tmp_path) as opened:
        opened.do(PARENT)
        yield opened


def written(kind: str, form: str, named: str, column: str) -> str:
    of_column, of_table = (text.format(column=COLUMNS[column]) for text in KINDS[kind])
    return FORMS[form].format(column=COLUMNS[column], name=NAMED[named], of_column=of_column, of_table=of_table)


@pytest.mark.parametrize(("kind", "form", "named", "column"), CASES)
def test_a_constraint_is_shown_and_made_again_however_it_was_written(
    d: Definer, kind: str, form: str, named: str, column: str
) -> None:
    d.do(written(kind, form, named, column))
    [(name, shown, enforced)] = d.constraints("t")
    assert (shown, enforced) == (kind, "NO")
    suffix = {"UNIQUE": "key", "CHECK": "check", "FOREIGN KEY": "fkey"}[kind]
    assert name == ("My name" if named == "named" else f"t_{COLUMNS[column].strip(chr(34))}_{suffix}")
    before = d.created("t")
    d.do("DROP TABLE t", before)
    assert d.created("t") == before
    d.do("INSERT INTO t VALUES (1, -5), (1, -5)")  # false, twice, and no parent
    assert d.value("SELECT count(*) FROM t") == 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_enforced_constraint_is_refused_and_told_what_to_add(d: Definer, kind: str) -> None:
    for form, named in itertools.product(FORMS, NAMED):
        d.do("DROP TABLE IF EXISTS t")
        refused = d.refusal(written(kind, form, named, "plain").replace(" NOT ENFORCED", ""))
        assert refused.sqlstate == "0A000"
        assert f"{kind} constraints" in refused.message
        assert "NOT ENFORCED" in refused.message


def test_the_planner_never_takes_them_for_true(d: Definer) -> None:
    d.do(
        "CREATE TABLE t (a BIGINT UNIQUE NOT ENFORCED, b BIGINT CHECK (b > 0) NOT ENFORCED, "
        "p BIGINT REFERENCES parent NOT ENFORCED)",
        "INSERT INTO t VALUES (1, -1, 7), (1, -1, 7), (NULL, 2, 8)",
    )
    assert d.value("SELECT count(*) FROM t WHERE b <= 0") == 2
    assert d.rows("SELECT a, count(*) AS n FROM t GROUP BY a ORDER BY a") == [(1, 2), (None, 1)]
    assert d.value("SELECT count(*) FROM (SELECT DISTINCT a FROM t)") == 2
    assert d.value("SELECT count(*) FROM t LEFT JOIN parent ON t.p = parent.id WHERE parent.id IS NULL") == 3
    assert d.sqlstate("SELECT a, b FROM t GROUP BY a") == "42803"
    assert d.sqlstate("INSERT INTO t VALUES (1, 1, 1) ON CONFLICT (a) DO NOTHING") == "42P10"


ALL = (
    "CREATE TABLE t (id BIGINT, x INT, y INT, up BIGINT, CONSTRAINT pk PRIMARY KEY (id), "
    "CONSTRAINT u UNIQUE (y, x) NOT ENFORCED, "
    "CONSTRAINT c CHECK (x > 0 AND (y IS NULL OR \"x\" < y) AND extract(year FROM DATE '2026-01-01') > x) "
    "NOT ENFORCED, CONSTRAINT f FOREIGN KEY (up) REFERENCES parent MATCH FULL ON UPDATE SET NULL NOT ENFORCED, "
    "CONSTRAINT s FOREIGN KEY (up) REFERENCES t ON DELETE SET DEFAULT NOT ENFORCED)"
)
NAMES = {
    ("pk", "PRIMARY KEY", "YES"),
    ("u", "UNIQUE", "NO"),
    ("c", "CHECK", "NO"),
    ("f", "FOREIGN KEY", "NO"),
    ("s", "FOREIGN KEY", "NO"),
}


def test_they_survive_a_restart_and_changes_of_names(tmp_path: Path) -> None:
    with definer(tmp_path) as d:
        d.do(PARENT, ALL)
        d.do('ALTER TABLE t RENAME COLUMN x TO "X x", RENAME COLUMN up TO above, RENAME TO moved')
        d.do("ALTER TABLE parent RENAME COLUMN id TO number", "ALTER TABLE parent RENAME TO ancestor")
        assert d.constraints("moved") == NAMES
        before = d.created("moved")
    for text in (
        'CONSTRAINT "u" UNIQUE ("y", "X x")',
        'CHECK ("X x" > 0 AND (y IS NULL OR "X x" < y) AND extract(year FROM DATE \'2026-01-01\') > "X x")',
        'FOREIGN KEY ("above") REFERENCES "public"."ancestor" ("number") MATCH FULL ON UPDATE SET NULL',
        'FOREIGN KEY ("above") REFERENCES "public"."moved" ("id") ON UPDATE NO ACTION ON DELETE SET DEFAULT',
    ):
        assert text in before
    with definer(tmp_path) as d:
        assert d.created("moved") == before
        assert d.constraints("moved") == NAMES


def test_a_dropped_column_takes_its_constraints_but_not_those_of_others(d: Definer) -> None:
    d.do(ALL)
    d.do("ALTER TABLE t DROP COLUMN x")
    assert {name for name, _, _ in d.constraints("t")} == {"pk", "f", "s"}
    d.do('CREATE TABLE other (p BIGINT CONSTRAINT o REFERENCES parent ("Other id") NOT ENFORCED)')
    assert d.sqlstate('ALTER TABLE parent DROP COLUMN "Other id"') == "2BP01"
    assert d.sqlstate('ALTER TABLE parent DROP CONSTRAINT "parent_Other id_key"') == "2BP01"
    d.do('ALTER TABLE parent DROP CONSTRAINT "parent_Other id_key" CASCADE')
    assert d.constraints("other") == set()
    d.do('ALTER TABLE parent DROP COLUMN "Other id"')


@pytest.mark.parametrize(
    ("gone", "kept"),
    [
        ("DROP TABLE parent", {"pk", "u", "c", "s"}),
        ("DROP TABLE parent CASCADE", {"pk", "u", "c", "s"}),
        ("CREATE OR REPLACE TABLE parent (id BIGINT PRIMARY KEY)", {"pk", "u", "c", "f", "s"}),
        ("CREATE OR REPLACE TABLE parent (number BIGINT PRIMARY KEY)", {"pk", "u", "c", "s"}),
        ("CREATE OR REPLACE TABLE parent AS SELECT 1 AS id", {"pk", "u", "c", "s"}),
    ],
)
def test_a_foreign_key_goes_with_what_it_refers_to(d: Definer, gone: str, kept: set[str]) -> None:
    d.do(ALL, gone)
    assert {name for name, _, _ in d.constraints("t")} == kept
    d.do("DROP TABLE t", d.created("t")) if "REPLACE" in gone else None
    assert {name for name, _, _ in d.constraints("t")} == kept


def test_a_dropped_namespace_takes_the_foreign_keys_to_its_tables(d: Definer) -> None:
    d.do("CREATE NAMESPACE n", "CREATE TABLE n.p (id INT PRIMARY KEY)")
    d.do("CREATE TABLE t (a INT REFERENCES n.p NOT ENFORCED)", "DROP NAMESPACE n CASCADE")
    assert d.constraints("t") == set()


def test_constraints_are_dropped_and_renamed(d: Definer) -> None:
    d.do(ALL, "ALTER TABLE t DROP CONSTRAINT u, DROP CONSTRAINT IF EXISTS nothing, RENAME CONSTRAINT c TO d")
    d.do("ALTER TABLE t RENAME CONSTRAINT pk TO key")
    assert {name for name, _, _ in d.constraints("t")} == {"key", "d", "f", "s"}
    assert d.sqlstate("ALTER TABLE t DROP CONSTRAINT u") == "42704"
    assert d.sqlstate("ALTER TABLE t DROP CONSTRAINT key") == "0A000"
    assert d.sqlstate("ALTER TABLE t RENAME CONSTRAINT d TO f") == "42710"
    assert d.sqlstate("ALTER TABLE t ADD CONSTRAINT key UNIQUE (x) NOT ENFORCED") == "42710"
    d.do("ALTER TABLE IF EXISTS nothing DROP CONSTRAINT IF EXISTS c")
    [operation] = d.rows("SELECT operation FROM system.table_history WHERE \"table\" = 't' AND schema_version = 2")
    assert operation == ('DROP CONSTRAINT "u", DROP CONSTRAINT "c", ADD CONSTRAINT "d"',)


@pytest.mark.parametrize(
    ("constraint", "sqlstate"),
    [
        ("UNIQUE (nothing)", "42703"),
        ("UNIQUE (a, a)", "42701"),
        ("CHECK (nothing > 1)", "42703"),
        ("CHECK (a + 1)", "42804"),
        ("CHECK (sum(a) > 1)", "42803"),
        ("CHECK (row_number() OVER () > 1)", "42P20"),
        ("CHECK (a IN (SELECT id FROM parent))", "0A000"),
        ("CHECK (a > ?)", "07002"),
        ("FOREIGN KEY (a) REFERENCES nothing", "42P01"),
        ("FOREIGN KEY (a) REFERENCES nothing (b)", "42P01"),
        ("FOREIGN KEY (a) REFERENCES parent (nothing)", "42703"),
        ("FOREIGN KEY (a, b) REFERENCES parent (id)", "42830"),
        ("FOREIGN KEY (a) REFERENCES unkeyed", "42830"),
        ("FOREIGN KEY (a) REFERENCES unkeyed (c)", "42830"),
        ("FOREIGN KEY (a) REFERENCES system.tables (rows)", "42P01"),
    ],
)
def test_a_constraint_that_makes_no_sense_is_refused(d: Definer, constraint: str, sqlstate: str) -> None:
    d.do("CREATE TABLE unkeyed (c BIGINT)", "CREATE TABLE t (a BIGINT, b BIGINT)")
    assert d.sqlstate(f"ALTER TABLE t ADD {constraint} NOT ENFORCED") == sqlstate
    assert d.sqlstate(f"CREATE TABLE u (a BIGINT, b BIGINT, {constraint} NOT ENFORCED)") == sqlstate
    assert d.constraints("t") == set()
    assert "u" not in d.names()


def test_streams_and_temporary_tables_say_what_they_do_not_take(d: Definer) -> None:
    stream = "CREATE STREAM TABLE s (a INT UNIQUE NOT ENFORCED) WITH (retention = '1m')"
    assert d.sqlstate(stream) == "0A000"
    assert d.sqlstate("CREATE TEMP TABLE x (a BIGINT REFERENCES parent NOT ENFORCED)") == "0A000"
    d.do("CREATE TEMP TABLE x (a BIGINT CONSTRAINT u UNIQUE NOT ENFORCED CHECK (a > 0) NOT ENFORCED)")
    assert {kind for _, kind, _ in d.constraints("x")} == {"UNIQUE", "CHECK"}
    d.do("CREATE USER TABLE mine (a BIGINT REFERENCES parent NOT ENFORCED)")
    assert {kind for _, kind, _ in d.constraints("mine")} == {"FOREIGN KEY"}


def test_a_transaction_that_is_rolled_back_leaves_no_trace(d: Definer) -> None:
    d.do(ALL, "BEGIN", "ALTER TABLE t DROP CONSTRAINT u", "ALTER TABLE parent RENAME TO ancestor")
    d.do("INSERT INTO t (id, up) VALUES (1, 1)")
    assert '"public"."ancestor"' in d.created("t")
    d.do("ROLLBACK")
    assert d.constraints("t") == NAMES
    assert '"public"."parent"' in d.created("t")
    d.do("BEGIN", "INSERT INTO t (id, up) VALUES (1, 1)", "ALTER TABLE parent RENAME TO ancestor", "COMMIT")
    assert '"public"."ancestor"' in d.created("t")
    assert d.value("SELECT count(*) FROM t") == 1


def test_rows_written_before_and_after_what_they_refer_to_was_renamed_are_read_after_a_restart(tmp_path: Path) -> None:
    with definer(tmp_path) as d:
        d.do(PARENT, ALL, "INSERT INTO t (id) VALUES (1)", "ALTER TABLE parent RENAME TO ancestor")
        d.do("INSERT INTO t (id) VALUES (2)", "DROP TABLE ancestor", "INSERT INTO t (id) VALUES (3)")
    with definer(tmp_path) as d:
        assert d.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
        assert {name for name, _, _ in d.constraints("t")} == {"pk", "u", "c", "s"}
        assert d.sqlstate("INSERT INTO t (id) VALUES (1)") == "23505"


def test_several_changes_of_one_statement_are_followed(d: Definer) -> None:
    d.do("CREATE TABLE t (id BIGINT CONSTRAINT k PRIMARY KEY, up BIGINT)")
    d.do(
        "ALTER TABLE t RENAME TO u, RENAME COLUMN id TO number, "
        "ADD CONSTRAINT f FOREIGN KEY (up) REFERENCES u (number) NOT ENFORCED"
    )
    assert 'REFERENCES "public"."u" ("number")' in d.created("u")
    d.do("ALTER TABLE u RENAME TO v, RENAME COLUMN number TO id, ADD CONSTRAINT c CHECK (id > up) NOT ENFORCED")
    assert 'REFERENCES "public"."v" ("id")' in d.created("v")
    assert d.constraints("v") == {("k", "PRIMARY KEY", "YES"), ("f", "FOREIGN KEY", "NO"), ("c", "CHECK", "NO")}
