"""Reads INSERT, UPDATE, DELETE and TRUNCATE. Values and conditions stay text; DEFAULT is told apart."""

from __future__ import annotations

from collections.abc import Collection

from flight_server.parser.statements.changes import (
    Assignment,
    DefaultRow,
    Delete,
    Insert,
    OnConflict,
    QueryRows,
    Truncate,
    Update,
    ValuesRows,
)
from flight_server.parser.statements.constraints import Overriding
from flight_server.parser.statements.table_ref import TableRef
from flight_server.parser.text.cursor import CLOSING, OPENING, Cursor, not_supported
from flight_server.parser.text.lexer import syntax_error
from storage.errors import InvalidRequest

UPSERT_INSTEAD = "use INSERT .. ON CONFLICT DO UPDATE or DO NOTHING"


def parse_insert(cursor: Cursor, common_tables: str = "") -> Insert:
    """`INSERT INTO t [AS a] [(columns)] [OVERRIDING ..] rows [ON CONFLICT ..] [RETURNING ..]`; for rows see below."""
    cursor.expect("INSERT")
    if cursor.sees("OR"):
        raise not_supported(f"INSERT OR {cursor.peek(1).value}", UPSERT_INSTEAD)
    if cursor.sees("OVERWRITE"):
        raise not_supported("INSERT OVERWRITE", "use TRUNCATE and INSERT in one transaction")
    cursor.expect("INTO")
    table = _insert_target(cursor)
    columns = None
    if cursor.sees("(") and cursor.peek(1).key not in ("SELECT", "WITH", "VALUES", "TABLE", "("):
        columns = cursor.bracketed(lambda: column(cursor, table))
        _refuse_repeats(columns)
    overriding = _overriding(cursor)
    source = _insert_source(cursor, common_tables)
    return Insert(table, columns, source, _on_conflict(cursor, table), returning(cursor), overriding)


def _insert_target(cursor: Cursor) -> TableRef:
    table = cursor.table()
    return TableRef(table.namespace, table.table, cursor.name("alias")) if cursor.accept("AS") else table


def _overriding(cursor: Cursor) -> Overriding | None:
    """`OVERRIDING SYSTEM|USER VALUE`, if it is next."""
    if not cursor.accept("OVERRIDING"):
        return None
    found = Overriding(cursor.expect_any("SYSTEM", "USER").lower())
    cursor.expect("VALUE")
    return found


def _insert_source(cursor: Cursor, common_tables: str) -> ValuesRows | QueryRows | DefaultRow:
    if cursor.accept("DEFAULT", "VALUES"):
        return DefaultRow()
    if cursor.sees("VALUES") and not common_tables:
        return _values(cursor)
    begins_with = cursor.token.key
    sql = cursor.query("the rows to insert", lambda: cursor.sees("RETURNING") or cursor.sees("ON", "CONFLICT"))
    if not common_tables:
        return QueryRows(sql)
    return QueryRows(
        f"{common_tables} SELECT * FROM ({sql}) AS rows" if begins_with == "WITH" else f"{common_tables} {sql}"
    )


def _values(cursor: Cursor) -> ValuesRows:
    """`VALUES (..), (..)`, in one pass by hand: ten thousand rows must not take long."""
    cursor.expect("VALUES")
    rows: list[tuple[str | None, ...]] = []
    while True:
        rows.append(values_row(cursor))
        if len(rows[-1]) != len(rows[0]):
            raise InvalidRequest(
                f"row {len(rows)} of VALUES has {len(rows[-1])} items, the first has {len(rows[0])}", sqlstate="42601"
            )
        if not cursor.accept(","):
            return ValuesRows(tuple(rows))


def values_row(cursor: Cursor) -> tuple[str | None, ...]:
    """`(expression | DEFAULT, ..)`"""
    if cursor.token.key != "(":
        raise cursor.error("expected (")
    tokens, text, first = cursor.tokens, cursor.text, cursor.at + 1
    items: list[str | None] = []
    open_at: list[int] = [cursor.at]
    for at in range(first, len(tokens)):
        key = tokens[at].key
        if not key:
            continue
        if key in OPENING:
            open_at.append(at)
        elif key == ";":
            break
        elif key in CLOSING or (key == "," and len(open_at) == 1):
            cursor.at = at
            if key != "," and OPENING[tokens[open_at.pop()].key] != key:
                raise cursor.error("brackets do not match")
            if open_at and key != ",":
                continue
            if at == first:
                raise cursor.error("expected a value")
            is_default = at == first + 1 and tokens[first].key == "DEFAULT"
            items.append(None if is_default else text[tokens[first].start : tokens[at - 1].end])
            first = at + 1
            if not open_at:
                cursor.at = at + 1
                return tuple(items)
    raise syntax_error(tokens[open_at[-1]].start, f"no {OPENING[tokens[open_at[-1]].key]} ends what begins here")


def _on_conflict(cursor: Cursor, table: TableRef) -> OnConflict | None:
    if not cursor.accept("ON"):
        return None
    cursor.expect("CONFLICT")
    if cursor.sees("ON", "CONSTRAINT"):
        raise not_supported("ON CONFLICT ON CONSTRAINT", "name the primary key's columns: ON CONFLICT (..)")
    columns = cursor.bracketed(lambda: cursor.name("column")) if cursor.sees("(") else ()
    if cursor.sees("WHERE"):
        raise not_supported("a condition before DO", "there are no partial indexes")
    cursor.expect("DO")
    if cursor.accept("NOTHING"):
        return OnConflict(columns)
    cursor.expect("UPDATE", "SET")
    assigned = assignments(cursor, table)
    return OnConflict(columns, assigned, where(cursor))


def parse_update(cursor: Cursor) -> Update:
    """`UPDATE t [AS a] SET .. [FROM ..] [WHERE ..] [RETURNING ..]`."""
    cursor.expect("UPDATE")
    table = cursor.aliased_table()
    cursor.expect("SET")
    assigned = assignments(cursor, table)
    from_sql = _sources(cursor) if cursor.accept("FROM") else None
    return Update(table, assigned, from_sql, where(cursor), returning(cursor))


def parse_delete(cursor: Cursor) -> Delete:
    """`DELETE FROM t [AS a] [USING ..] [WHERE ..] [RETURNING ..]`."""
    cursor.expect("DELETE", "FROM")
    table = cursor.aliased_table()
    using_sql = _sources(cursor) if cursor.accept("USING") else None
    return Delete(table, using_sql, where(cursor), returning(cursor))


def _sources(cursor: Cursor) -> str:
    """The tables behind FROM or USING, joins and all."""
    return cursor.slice("a table", lambda: cursor.sees_any(("WHERE", "RETURNING", "ORDER", "LIMIT", "GROUP", "SET")))


def parse_truncate(cursor: Cursor) -> Truncate:
    """`TRUNCATE [TABLE] t`."""
    cursor.expect("TRUNCATE")
    cursor.accept("TABLE")
    table = cursor.table()
    if cursor.sees(","):
        raise not_supported("TRUNCATE of several tables", "truncate one table at a time")
    return Truncate(table)


# --- parts that several statements share -----------------------------------------------------------------------


def assignments(cursor: Cursor, table: TableRef, stops: Collection[str] = ()) -> tuple[Assignment, ...]:
    """`column = expression, (a, b) = (x, y), ..`"""
    groups = cursor.listed(lambda: _assignment(cursor, table, stops))
    found = tuple(assignment for group in groups for assignment in group)
    _refuse_repeats(tuple(assignment.column for assignment in found))
    return found


def _assignment(cursor: Cursor, table: TableRef, stops: Collection[str]) -> tuple[Assignment, ...]:
    if cursor.sees("("):
        return _row_assignment(cursor, table)
    name = column(cursor, table)
    cursor.expect("=")
    if cursor.accept("DEFAULT"):
        return (Assignment(name, None),)
    return (Assignment(name, cursor.expression("a value", stops)),)


def _row_assignment(cursor: Cursor, table: TableRef) -> tuple[Assignment, ...]:
    columns = cursor.bracketed(lambda: column(cursor, table))
    cursor.expect("=")
    cursor.accept("ROW")
    if cursor.sees("(", "SELECT") or cursor.sees("(", "WITH"):
        raise not_supported("(..) = (SELECT ..)", "assign each column by itself, or use UPDATE .. FROM")
    values = values_row(cursor)
    if len(values) != len(columns):
        raise cursor.error(f"{len(columns)} columns can't be set to {len(values)} values")
    return tuple(Assignment(name, value) for name, value in zip(columns, values, strict=True))


def column(cursor: Cursor, table: TableRef) -> str:
    """A column of `table`, which may be named before it."""
    token = cursor.token
    *qualifier, name = cursor.path("column")
    if qualifier and qualifier[-1] not in (table.table, table.alias):
        raise syntax_error(token.start, f"{'.'.join(qualifier)} is not the table that is changed here")
    return name


def _refuse_repeats(columns: tuple[str, ...]) -> None:
    repeated = next((name for name in columns if columns.count(name) > 1), None) if _repeats(columns) else None
    if repeated is not None:
        raise InvalidRequest(f"column '{repeated}' is named twice", sqlstate="42701")


def _repeats(columns: tuple[str, ...]) -> bool:
    return len(set(columns)) < len(columns)


def where(cursor: Cursor) -> str | None:
    """`WHERE condition`, if there is one."""
    return cursor.expression("a condition") if cursor.accept("WHERE") else None


def returning(cursor: Cursor) -> str | None:
    """`RETURNING list`, if there is one: always the last part of a statement."""
    if not cursor.accept("RETURNING"):
        return None
    start = cursor.token.start
    items = cursor.listed(lambda: cursor.expression("a column"))
    end = cursor.tokens[cursor.at - 1].end
    return cursor.text[start:end] if items else None
