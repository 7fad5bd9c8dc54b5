"""Reads MERGE INTO: a target, a source, a condition, and what to do with each kind of row."""

from __future__ import annotations

from flight_server.parser.grammar.changes import assignments, column, returning, values_row
from flight_server.parser.statements.changes import Merge, MergeClause
from flight_server.parser.statements.table_ref import TableRef
from flight_server.parser.text.cursor import Cursor, not_supported


def parse_merge(cursor: Cursor) -> Merge:
    """`MERGE INTO t [AS a] USING source ON condition WHEN .. [RETURNING ..]`."""
    cursor.expect("MERGE", "INTO")
    table = cursor.aliased_table()
    cursor.expect("USING")
    source_sql = cursor.slice("the source of MERGE", lambda: cursor.sees_any(("ON", "WHEN")))
    cursor.expect("ON")
    on_sql = cursor.expression("the condition of MERGE", ("WHEN",))
    clauses: list[MergeClause] = []
    while not clauses or cursor.sees("WHEN"):
        clauses.append(_clause(cursor, table))
    return Merge(table, source_sql, on_sql, tuple(clauses), returning(cursor))


def _clause(cursor: Cursor, table: TableRef) -> MergeClause:
    cursor.expect("WHEN")
    is_matched = not cursor.accept("NOT")
    cursor.expect("MATCHED")
    if not is_matched and cursor.accept("BY") and cursor.expect_any("TARGET", "SOURCE") == "SOURCE":
        raise not_supported("WHEN NOT MATCHED BY SOURCE", "delete or update these rows in a statement of their own")
    condition = cursor.expression("a condition", ("THEN",)) if cursor.accept("AND") else None
    cursor.expect("THEN")
    return _matched(cursor, table, condition) if is_matched else _not_matched(cursor, table, condition)


def _matched(cursor: Cursor, table: TableRef, condition: str | None) -> MergeClause:
    action = cursor.expect_any("UPDATE", "DELETE", "DO")
    if action == "DELETE":
        return MergeClause(True, "delete", condition)
    if action == "DO":
        cursor.expect("NOTHING")
        return MergeClause(True, "nothing", condition)
    if cursor.accept("*"):
        return MergeClause(True, "update", condition)
    cursor.expect("SET")
    if cursor.accept("*"):
        return MergeClause(True, "update", condition)
    return MergeClause(True, "update", condition, assignments(cursor, table, ("WHEN",)))


def _not_matched(cursor: Cursor, table: TableRef, condition: str | None) -> MergeClause:
    if cursor.expect_any("INSERT", "DO") == "DO":
        cursor.expect("NOTHING")
        return MergeClause(False, "nothing", condition)
    if cursor.accept("*"):
        return MergeClause(False, "insert", condition)
    if cursor.accept("DEFAULT", "VALUES"):
        return MergeClause(False, "insert", condition, columns=())
    columns = cursor.bracketed(lambda: column(cursor, table)) if cursor.sees("(") else None
    cursor.expect("VALUES")
    values = values_row(cursor)
    if columns is not None and len(columns) != len(values):
        raise cursor.error(f"{len(columns)} columns can't be given {len(values)} values")
    return MergeClause(False, "insert", condition, columns=columns, values=values)
