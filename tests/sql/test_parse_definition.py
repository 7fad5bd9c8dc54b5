"""CREATE, DROP, ALTER and COMMENT as values."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flight_server.parser.statements.constraints import DropRule
from flight_server.parser.statements.definitions import (
    AddColumn,
    AlterTable,
    ChangeColumnDefault,
    ChangeColumnNullable,
    ChangeColumnType,
    ColumnSpec,
    CommentOn,
    CreateTable,
    DropColumn,
    DropTable,
    RenameColumn,
    RenameTable,
    SetOptions,
    TableAction,
)
from flight_server.parser.statements.namespaces import AlterNamespace, CreateNamespace, DropNamespace
from flight_server.parser.statements.statement import Statement
from flight_server.parser.statements.table_ref import TableRef
from flight_server.parser.statements.views import AlterView, CreateView, DropView
from storage.catalog.schema import TableKind
from storage.errors import FrostlineError, InvalidRequest, NotSupported
from tests.support.parsed import parse

T = TableRef(None, "t")
A = ColumnSpec("a", pa.int32(), "INTEGER")


def _created(columns: str) -> CreateTable:
    statement = parse(f"CREATE TABLE t {columns}")
    assert isinstance(statement, CreateTable)
    return statement


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE TABLE t (a INT)", CreateTable(T, TableKind.SHARED, (A,))),
        (
            "CREATE SHARED TABLE IF NOT EXISTS n.t (a INT)",
            CreateTable(TableRef("n", "t"), TableKind.SHARED, (A,), if_not_exists=True),
        ),
        ("CREATE OR REPLACE TABLE t (a INT)", CreateTable(T, TableKind.SHARED, (A,), or_replace=True)),
        ("CREATE TEMP TABLE t (a INT)", CreateTable(T, TableKind.SHARED, (A,), temporary=True)),
        (
            "CREATE TABLE t AS SELECT 1 AS a WITH DATA",
            CreateTable(T, TableKind.SHARED, (), as_sql="SELECT 1 AS a"),
        ),
        (
            "CREATE TABLE t (PRIMARY KEY (a)) WITH (compression = zstd) AS TABLE s",
            CreateTable(T, TableKind.SHARED, (), ("a",), {"compression": "zstd"}, as_sql="SELECT * FROM s"),
        ),
        (
            "CREATE TABLE t (a INT) WITH (flush_policy = 'rows:1', Level = -3, \"Odd\" = true)",
            CreateTable(T, TableKind.SHARED, (A,), (), {"flush_policy": "rows:1", "level": "-3", "odd": "true"}),
        ),
        ("DROP TABLE IF EXISTS n.t", DropTable(TableRef("n", "t"), None, True)),
        ("DROP SHARED TABLE t RESTRICT", DropTable(T, TableKind.SHARED, False, DropRule.RESTRICT)),
        ("DROP TABLE IF EXISTS t CASCADE", DropTable(T, None, True, DropRule.CASCADE)),
        ("DROP VIEW v CASCADE", DropView(TableRef(None, "v"), False, DropRule.CASCADE)),
        ("ALTER VIEW IF EXISTS v RENAME TO w", AlterView(TableRef(None, "v"), "w", True)),
        ("CREATE VIEW v AS SELECT 1", CreateView(TableRef(None, "v"), "SELECT 1")),
        (
            "CREATE OR REPLACE VIEW n.v (A, b) AS (SELECT 1, 2)",
            CreateView(TableRef("n", "v"), "(SELECT 1, 2)", ("a", "b"), True),
        ),
        ("DROP VIEW IF EXISTS v", DropView(TableRef(None, "v"), True)),
        ("CREATE NAMESPACE n", CreateNamespace("n", False)),
        ("CREATE SCHEMA IF NOT EXISTS frostline.N", CreateNamespace("n", True)),
        ("DROP NAMESPACE IF EXISTS n CASCADE", DropNamespace("n", True, True)),
        ("DROP SCHEMA n", DropNamespace("n", False, False)),
        ("ALTER NAMESPACE n SET DESCRIPTION 'what it''s for'", AlterNamespace("n", "what it's for")),
        ("COMMENT ON TABLE n.t IS 'x'", CommentOn(TableRef("n", "t"), None, "x")),
        ("COMMENT ON COLUMN n.t.\"C\" IS 'x'", CommentOn(TableRef("n", "t"), "C", "x")),
        ("COMMENT ON COLUMN frostline.n.t.c IS NULL", CommentOn(TableRef("n", "t"), "c", "")),
    ],
)
def test_a_definition_is_read(text: str, expected: Statement) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("column", "nullable", "default_sql"),
    [
        ("a INT", True, None),
        ("a INT NULL", True, None),
        ("a INT NOT NULL", False, None),
        ("a INT DEFAULT 1", True, "1"),
        ("a INT NOT NULL DEFAULT 1", False, "1"),
        ("a INT DEFAULT 1 NOT NULL", False, "1"),
        ("a INT DEFAULT NULL", True, "NULL"),
        ("a INT DEFAULT (1 + f(2, 3))", True, "(1 + f(2, 3))"),
        ("a INT DEFAULT -1 NULL", True, "-1"),
        ("a INT DEFAULT now() NOT NULL", False, "now()"),
        ("a INT DEFAULT CASE WHEN 1 IS NOT NULL THEN 1 END NOT NULL", False, "CASE WHEN 1 IS NOT NULL THEN 1 END"),
        ("a INT DEFAULT 1 IS NOT NULL NOT NULL", False, "1 IS NOT NULL"),
        ("a INT DEFAULT 1 PRIMARY KEY", False, "1"),
        ("a INT PRIMARY KEY", False, None),
    ],
)
def test_column_constraints_come_in_any_order(column: str, nullable: bool, default_sql: str | None) -> None:
    (spec,) = _created(
        f"({column}, PRIMARY KEY (a))" if "KEY" not in column and not nullable else f"({column})"
    ).columns
    assert (spec.nullable, spec.default_sql) == (nullable, default_sql)


def test_key_columns_are_not_nullable() -> None:
    created = _created("(a INT, b INT, c INT, PRIMARY KEY (c, a))")
    assert created.primary_key == ("c", "a")
    assert [column.nullable for column in created.columns] == [False, True, False]


def test_unquoted_names_fold_and_quoted_ones_stay() -> None:
    created = _created('(Alpha INT, "Beta Two" INT, key INT, value INT, "order" INT)')
    assert [column.name for column in created.columns] == ["alpha", "Beta Two", "key", "value", "order"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ADD COLUMN a INT", (AddColumn(A),)),
        ("ADD IF NOT EXISTS a INT", (AddColumn(A, True),)),
        (
            "ADD a INT DEFAULT f(1, 2) NOT NULL, DROP b",
            (
                AddColumn(ColumnSpec("a", pa.int32(), "INTEGER", False, "f(1, 2)")),
                DropColumn("b"),
            ),
        ),
        ("DROP COLUMN IF EXISTS b", (DropColumn("b", True),)),
        ('RENAME COLUMN a TO "B"', (RenameColumn("a", "B"),)),
        ("RENAME a TO b", (RenameColumn("a", "b"),)),
        ("RENAME TO u", (RenameTable("u"),)),
        ("ALTER COLUMN a TYPE BIGINT", (ChangeColumnType("a", pa.int64(), "BIGINT"),)),
        ("ALTER a SET DATA TYPE DECIMAL(9, 2)", (ChangeColumnType("a", pa.decimal128(9, 2), "DECIMAL(9, 2)"),)),
        ("ALTER a SET DEFAULT 1 + 2", (ChangeColumnDefault("a", "1 + 2"),)),
        ("ALTER a DROP DEFAULT", (ChangeColumnDefault("a", None),)),
        ("ALTER a SET NOT NULL", (ChangeColumnNullable("a", False),)),
        ("ALTER a DROP NOT NULL", (ChangeColumnNullable("a", True),)),
        ("SET (sort_by = 'a, b')", (SetOptions({"sort_by": "a, b"}),)),
    ],
)
def test_alter_table(text: str, expected: tuple[TableAction, ...]) -> None:
    assert parse(f"ALTER TABLE t {text}") == AlterTable(T, expected)
    assert parse(f"ALTER TABLE IF EXISTS t {text}") == AlterTable(T, expected, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CREATE ROLE r", "CREATE ROLE is not supported; a role is given"),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "CREATE EXTERNAL is not supported"),
        ("CREATE /* x */ external TABLE t", "CREATE EXTERNAL is not supported"),
        ("CREATE FUNCTION f() RETURNS INT RETURN 1", "CREATE FUNCTION is not supported"),
        ("CREATE UNIQUE INDEX i ON t (a)", "CREATE UNIQUE is not supported"),
        ("CREATE INDEX i ON t (a)", "CREATE INDEX is not supported"),
        ("CREATE SEQUENCE s", "CREATE SEQUENCE is not supported"),
        ("CREATE DATABASE d", "CREATE DATABASE is not supported; there is one catalog"),
        ("CREATE TEMP VIEW v AS SELECT 1", "CREATE TEMP VIEW is not supported"),
        ("CREATE TABLE t LIKE s", "CREATE TABLE .. LIKE is not supported"),
        ("CREATE TABLE t (a INT UNIQUE)", "UNIQUE constraints are not enforced by this server; add NOT ENFORCED"),
        ("CREATE TABLE t (a INT DEFAULT 1 CHECK (a > 1))", "CHECK constraints are not enforced"),
        ("CREATE TABLE t (a INT REFERENCES s (a))", "FOREIGN KEY constraints are not enforced"),
        ("CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES s (a))", "FOREIGN KEY constraints are not enforced"),
        ("CREATE TABLE t (a INT, UNIQUE (a))", "UNIQUE constraints are not enforced"),
        ("CREATE TABLE t (a INT, CHECK (a > 0))", "CHECK constraints are not enforced"),
        ("CREATE TABLE t (a INT GENERATED ALWAYS AS IDENTITY)", "of type INTEGER is not supported"),
        ('CREATE TABLE t (a TEXT COLLATE "C")', "COLLATE is not supported"),
        ("CREATE TABLE t (a INT) AS SELECT 1", "column types before AS is not supported"),
        ("CREATE TABLE t AS SELECT 1 WITH NO DATA", "WITH NO DATA is not supported"),
        ("DROP TABLE a, b", "DROP of several tables is not supported"),
        ("DROP INDEX i", "DROP INDEX is not supported"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", "ADD PRIMARY KEY is not supported"),
        ("ALTER TABLE t ADD CONSTRAINT c UNIQUE (a)", "UNIQUE constraints are not enforced"),
        ("ALTER TABLE t ADD a INT PRIMARY KEY", "ADD COLUMN with PRIMARY KEY is not supported"),
        ("ALTER TABLE t ADD a INT FIRST", "place of a new column is not supported"),
        ("ALTER TABLE t ALTER a TYPE BIGINT USING a::bigint", "TYPE .. USING is not supported"),
        ("ALTER TABLE t SET SCHEMA n", "SET SCHEMA is not supported"),
        ("ALTER VIEW v AS SELECT 1", "ALTER VIEW .. AS is not supported; use CREATE OR REPLACE VIEW"),
        ("ALTER VIEW v SET SCHEMA s", "ALTER VIEW .. SET SCHEMA is not supported"),
        ("ALTER VIEW v OWNER TO me", "views have no owner"),
        ("ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a)", "ADD PRIMARY KEY is not supported"),
        ("ALTER TABLE t VALIDATE CONSTRAINT k", "VALIDATE CONSTRAINT is not supported"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (a) NOT ENFORCED)", "a primary key is always enforced"),
        ("CREATE TABLE t (a INT REFERENCES s DEFERRABLE NOT ENFORCED)", "DEFERRABLE is not supported"),
        ("CREATE TABLE t (a INT REFERENCES s MATCH PARTIAL NOT ENFORCED)", "MATCH PARTIAL is not supported"),
        ("CREATE TABLE t (a INT UNIQUE NULLS NOT DISTINCT NOT ENFORCED)", "NULLS NOT DISTINCT is not supported"),
        ("CREATE TABLE t (a SERIAL)", "use BIGSERIAL"),
        ("CREATE TABLE t (a SMALLINT GENERATED BY DEFAULT AS IDENTITY)", "of type SMALLINT is not supported"),
        ("CREATE TABLE t (a BIGINT GENERATED ALWAYS AS (b + 1) STORED)", "compute it in a view"),
        ("CREATE TABLE t (a BIGINT GENERATED ALWAYS AS IDENTITY (INCREMENT BY 2))", "the option INCREMENT"),
        ("ALTER ROLE r SET x = 1", "ALTER ROLE is not supported"),
        ("ALTER NAMESPACE n RENAME TO m", "renaming a namespace is not supported"),
        ("COMMENT ON SCHEMA n IS 'x'", "COMMENT ON SCHEMA is not supported; use ALTER NAMESPACE"),
    ],
)
def test_what_is_sql_and_not_ours_is_refused_by_its_name(text: str, words: str) -> None:
    with pytest.raises(NotSupported, match=words) as caught:
        parse(text)
    assert caught.value.sqlstate == "0A000"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CREATE TABLE t", "expected the columns of the table"),
        ("CREATE TABLE t ()", "expected the name of a column"),
        ("CREATE TABLE t (a)", "expected a column type"),
        ("CREATE TABLE t (a INT,)", "expected the name of a column"),
        ("CREATE TABLE t (a INT, a TEXT)", "column 'a' is named twice"),
        ("CREATE TABLE t (a INT CHECK (a > $1) NOT ENFORCED)", "a CHECK can't have parameters"),
        ("CREATE TABLE t (a INT CHECK a > 1 NOT ENFORCED)", "expected \\("),
        ("CREATE TABLE t (a INT CONSTRAINT k)", "expected NOT NULL, DEFAULT, PRIMARY KEY"),
        ("CREATE TABLE t (a INT, CONSTRAINT k)", "expected PRIMARY, UNIQUE, CHECK or FOREIGN"),
        ("CREATE TABLE t (a INT, CONSTRAINT PRIMARY KEY (a))", "a reserved word must be in double quotes"),
        ("CREATE TABLE t (a BIGINT NULL GENERATED ALWAYS AS IDENTITY)", "an identity column and can't be NULL"),
        ("CREATE TABLE t (a BIGINT DEFAULT 1 GENERATED ALWAYS AS IDENTITY)", "is given a DEFAULT"),
        ("CREATE TABLE t (a BIGSERIAL DEFAULT 1)", "is given DEFAULT twice"),
        ("CREATE TABLE t (a INT REFERENCES s ON DELETE NOTHING NOT ENFORCED)", "expected CASCADE, RESTRICT"),
        ("DROP TABLE t CASCADE RESTRICT", "expected the end of the statement"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (b))", "names column 'b', which the table does not have"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (a, a))", "primary key column 'a' is named twice"),
        ("CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)", "a table has one PRIMARY KEY"),
        ("CREATE TABLE t (a INT NULL PRIMARY KEY)", "can't be NULL"),
        ("CREATE TABLE t (a INT NULL NOT NULL)", "given NULL or NOT NULL twice"),
        ("CREATE TABLE t (a INT DEFAULT 1 DEFAULT 2)", "given DEFAULT twice"),
        ("CREATE TABLE t (a INT DEFAULT)", "expected a default value"),
        ("CREATE TABLE t (_seq INT)", "'_seq' is not allowed: it is that of a system column"),
        ("CREATE TABLE t (select INT)", "a reserved word must be in double quotes"),
        ("CREATE TABLE _deleted (a INT)", "table name '_deleted' is not allowed"),
        (f'CREATE TABLE "{"t" * 65}" (a INT)', "is not allowed: 1-64 characters"),
        ('CREATE TABLE "" (a INT)', "table name '' is not allowed"),
        ("CREATE TABLE system.t (a INT)", "namespace name 'system' is reserved"),
        ("CREATE VIEW information_schema.v AS SELECT 1", "reserved"),
        ("CREATE NAMESPACE pg_catalog", "reserved"),
        ("CREATE NAMESPACE frostline.a.b", "too many parts"),
        ("CREATE OR REPLACE TABLE IF NOT EXISTS t (a INT)", "exclude each other"),
        ("CREATE TABLE t (a INT) WITH (x = 1, X = 2)", "option 'x' is given twice"),
        ("CREATE TABLE t (a INT) WITH (x)", "expected ="),
        ("CREATE TABLE t (a INT) PARTITION BY a", "expected the end of the statement, found PARTITION"),
        ("CREATE VIEW v (a, a) AS SELECT 1, 2", "column 'a' is named twice"),
        ("CREATE VIEW v AS DELETE FROM t", "expected a query"),
        ("CREATE THING t", "expected TABLE, VIEW, NAMESPACE, USER or STORAGE, found THING"),
        ("ALTER TABLE t", "expected ADD, DROP, RENAME, ALTER or SET"),
        ("ALTER TABLE t ALTER a SET x", "expected DATA TYPE, DEFAULT or NOT NULL"),
        ("ALTER TABLE t RENAME TO n.u", "expected the end"),
        ("ALTER NAMESPACE n SET x = 1", "expected DESCRIPTION"),
        ("DROP TABLE IF t", "expected EXISTS"),
        ("COMMENT ON COLUMN c IS 'x'", "expected a column as table.column"),
        ("COMMENT ON TABLE t IS x", "as a string in single quotes"),
    ],
)
def test_a_wrong_definition_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(FrostlineError, match=words) as caught:
        parse(text)
    assert isinstance(caught.value, InvalidRequest)
