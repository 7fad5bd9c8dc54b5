"""CREATE and DROP of tables, views and namespaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from flight_server.sql.cursor import Cursor, not_supported
from flight_server.sql.parse_column import DeclaredColumn, read_column, read_options, refuse_constraints
from flight_server.sql.parse_storage import parse_create_storage, parse_drop_storage
from flight_server.sql.parse_user import parse_create_user, parse_drop_user
from flight_server.sql.statements import (
    ColumnSpec,
    CreateNamespace,
    CreateTable,
    CreateView,
    Definition,
    DropNamespace,
    DropTable,
    DropView,
    TableRef,
)
from flight_server.sql.storage_statements import CreateStorage, DropStorage
from flight_server.sql.user_statements import CreateUser, DropUser
from storage.errors import InvalidRequest
from storage.names import checked_new_namespace
from storage.schema import TableKind

_NOT_YET: Final = "it is not part of this version"
_REFUSED: Final = {
    "AGGREGATE": "user defined functions are not part of this version",
    "CATALOG": "there is one catalog, frostline; use CREATE NAMESPACE",
    "DATABASE": "there is one catalog, frostline; use CREATE NAMESPACE",
    "EXTENSION": "there are no extensions",
    "EXTERNAL": "load rows with a bulk ingest",
    "FOREIGN": "load rows with a bulk ingest",
    "FUNCTION": "user defined functions are not part of this version",
    "GLOBAL": "use TEMP",
    "INDEX": "there are no indexes but the primary key; sort cold files with the table option sort_by",
    "LOCAL": "use TEMP",
    "MACRO": "user defined functions are not part of this version",
    "MATERIALIZED": "use CREATE TABLE .. AS",
    "POLICY": _NOT_YET,
    "PROCEDURE": "there are no procedures",
    "ROLE": "a role is given to a user, with CREATE USER 'name' WITH PASSWORD '..' ROLE ..",
    "SECRET": _NOT_YET,
    "SEQUENCE": "use DEFAULT snowflake_id()",
    "TRIGGER": "there are no triggers",
    "TYPE": "use STRUCT in the table",
    "UNIQUE": "only a PRIMARY KEY is kept unique",
    "UNLOGGED": "use SET durability = 'relaxed'",
}
_SEVERAL: Final = "name one at a time"


def parse_create(cursor: Cursor) -> Definition | CreateUser | CreateStorage:
    """`CREATE [OR REPLACE] [SHARED|STREAM] [TEMP] TABLE|VIEW .. | NAMESPACE .. | USER .. | STORAGE ..`"""
    cursor.expect("CREATE")
    or_replace = cursor.accept("OR", "REPLACE")
    kind = _kind(cursor, "CREATE")
    temporary = cursor.accept("TEMP") or cursor.accept("TEMPORARY")
    if cursor.accept("TABLE"):
        return _create_table(cursor, kind or TableKind.SHARED, or_replace, temporary)
    if kind is None and cursor.accept("VIEW"):
        return _create_view(cursor, or_replace, temporary)
    if kind is None and not temporary and cursor.accept_any("NAMESPACE", "SCHEMA"):
        return _create_namespace(cursor, or_replace)
    if kind is None and not (temporary or or_replace) and cursor.accept("USER"):
        return parse_create_user(cursor)
    if kind is None and not (temporary or or_replace) and cursor.accept("STORAGE"):
        return parse_create_storage(cursor)
    raise _refused(cursor, "CREATE")


def _refused(cursor: Cursor, verb: str) -> Exception:
    word = cursor.token.key
    if word in _REFUSED:
        return not_supported(f"{verb} {word}", _REFUSED[word])
    return cursor.error("expected TABLE, VIEW, NAMESPACE, USER or STORAGE")


def _kind(cursor: Cursor, verb: str) -> TableKind | None:
    if cursor.sees("USER", "TABLE"):
        cursor.expect("USER")
        return TableKind.USER
    if cursor.sees("STREAM", "TABLE"):
        cursor.expect("STREAM")
        return TableKind.STREAM
    return TableKind.SHARED if cursor.accept("SHARED") else None


# --- tables ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _TableBody:
    """What stands in the brackets of CREATE TABLE."""

    columns: tuple[ColumnSpec, ...] = ()
    primary_key: tuple[str, ...] = ()


def _create_table(cursor: Cursor, kind: TableKind, or_replace: bool, temporary: bool) -> CreateTable:
    if_not_exists = cursor.if_not_exists()
    if or_replace and if_not_exists:
        raise InvalidRequest("OR REPLACE and IF NOT EXISTS exclude each other; write one of them", sqlstate="42601")
    table = _new_table(cursor, "table")
    if cursor.sees("LIKE"):
        raise not_supported("CREATE TABLE .. LIKE", "use CREATE TABLE .. AS SELECT * FROM t LIMIT 0")
    body = _table_body(cursor) if cursor.sees("(") else _TableBody()
    options: Mapping[str, str] = read_options(cursor) if cursor.accept("WITH") else {}
    as_sql = _as_query(cursor) if cursor.accept("AS") else None
    if as_sql is None and not body.columns:
        raise cursor.error("expected the columns of the table in brackets, or AS and a query")
    if as_sql is not None and body.columns:
        raise not_supported("column types before AS", "give types in the query, such as a::BIGINT AS a")
    return CreateTable(
        table, kind, body.columns, body.primary_key, options, if_not_exists, or_replace, temporary, as_sql
    )


def _new_table(cursor: Cursor, what: str) -> TableRef:
    table = cursor.table(what)
    if table.namespace is not None:
        checked_new_namespace(table.namespace)
    return table


def _as_query(cursor: Cursor) -> str:
    sql = cursor.query("a query", lambda: cursor.sees("WITH", "NO", "DATA") or cursor.sees("WITH", "DATA"))
    if cursor.sees("WITH", "NO"):
        raise not_supported("WITH NO DATA", "end the query with LIMIT 0")
    cursor.accept("WITH", "DATA")
    return sql


def _table_body(cursor: Cursor) -> _TableBody:
    parts = cursor.bracketed(lambda: _column_or_key(cursor))
    declared = [part for part in parts if isinstance(part, DeclaredColumn)]
    keys = [part for part in parts if isinstance(part, tuple)] + [(d.spec.name,) for d in declared if d.is_key]
    if len(keys) > 1:
        raise InvalidRequest(
            "a table has one PRIMARY KEY; for several columns write PRIMARY KEY (a, b)", sqlstate="42P16"
        )
    key = keys[0] if keys else ()
    names = [d.spec.name for d in declared]
    _refuse_twice(names, "column")
    _refuse_twice(key, "primary key column")
    missing = next((name for name in key if declared and name not in names), None)
    if missing is not None:
        raise InvalidRequest(
            f"the primary key names column '{missing}', which the table does not have", sqlstate="42703"
        )
    columns = tuple(replace(d.spec, nullable=False) if d.spec.name in key else d.spec for d in declared)
    return _TableBody(columns, key)


def _column_or_key(cursor: Cursor) -> DeclaredColumn | tuple[str, ...]:
    if cursor.accept("PRIMARY", "KEY"):
        return cursor.bracketed(lambda: cursor.name("column"))
    if cursor.sees_any(("UNIQUE", "CHECK", "FOREIGN", "CONSTRAINT")) or cursor.sees("EXCLUDE", "USING"):
        refuse_constraints(cursor)
    if cursor.sees("LIKE"):
        raise not_supported("LIKE in CREATE TABLE", "use CREATE TABLE .. AS SELECT * FROM t LIMIT 0")
    return read_column(cursor)


def _refuse_twice(names: list[str] | tuple[str, ...], what: str) -> None:
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise InvalidRequest(f"{what} '{twice}' is named twice", sqlstate="42701")


# --- views and namespaces --------------------------------------------------------------------------------------


def _create_view(cursor: Cursor, or_replace: bool, temporary: bool) -> CreateView:
    if temporary:
        raise not_supported("CREATE TEMP VIEW", "use CREATE VIEW or WITH")
    if cursor.sees("IF"):
        raise not_supported("CREATE VIEW IF NOT EXISTS", "use CREATE OR REPLACE VIEW")
    view = _new_table(cursor, "view")
    columns = cursor.bracketed(lambda: cursor.name("column")) if cursor.sees("(") else ()
    _refuse_twice(columns, "column")
    cursor.expect("AS")
    return CreateView(view, cursor.query("a query"), columns, or_replace)


def _create_namespace(cursor: Cursor, or_replace: bool) -> CreateNamespace:
    if or_replace:
        raise not_supported("CREATE OR REPLACE NAMESPACE", "use CREATE NAMESPACE IF NOT EXISTS")
    if_not_exists = cursor.if_not_exists()
    return CreateNamespace(checked_new_namespace(cursor.namespace()), if_not_exists)


def parse_drop(cursor: Cursor) -> Definition | DropUser | DropStorage:
    """`DROP [SHARED|STREAM] TABLE|VIEW|NAMESPACE|USER|STORAGE [IF EXISTS] name`"""
    cursor.expect("DROP")
    kind = _kind(cursor, "DROP")
    if cursor.accept("TABLE"):
        if_exists = cursor.if_exists()
        return DropTable(_only(cursor, "table"), kind, if_exists)
    if kind is None and cursor.accept("VIEW"):
        if_exists = cursor.if_exists()
        return DropView(_only(cursor, "view"), if_exists)
    if kind is None and cursor.accept_any("NAMESPACE", "SCHEMA"):
        return _drop_namespace(cursor)
    if kind is None and cursor.accept("USER"):
        return parse_drop_user(cursor)
    if kind is None and cursor.accept("STORAGE"):
        return parse_drop_storage(cursor)
    raise _refused(cursor, "DROP")


def _only(cursor: Cursor, what: str) -> TableRef:
    table = cursor.table(what)
    if cursor.sees(","):
        raise not_supported(f"DROP of several {what}s", _SEVERAL)
    if cursor.sees("CASCADE"):
        raise not_supported(f"CASCADE for a {what}", "drop the views that use it by name")
    cursor.accept("RESTRICT")
    return table


def _drop_namespace(cursor: Cursor) -> DropNamespace:
    if_exists = cursor.if_exists()
    name = checked_new_namespace(cursor.namespace())
    if cursor.sees(","):
        raise not_supported("DROP of several namespaces", _SEVERAL)
    cascade = cursor.accept("CASCADE")
    if not cascade:
        cursor.accept("RESTRICT")
    return DropNamespace(name, if_exists, cascade)
