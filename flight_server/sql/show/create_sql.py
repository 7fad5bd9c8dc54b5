"""CREATE SQL writes a table as the statements that make it.

An Arrow type that SQL has no name for (a bulk ingest may bring one) is written as the nearest SQL type, with the Arrow
type in a remark.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import pyarrow as pa

from flight_server.parser.text.cursor import Cursor
from flight_server.parser.text.quoting import literal, sql_name
from flight_server.parser.text.sql_text import SqlText
from flight_server.parser.text.time_travel import with_time_travel
from flight_server.parser.text.types import read_type
from storage.catalog.constraints import Constraint, ConstraintKind, Reference
from storage.catalog.names import TableName, quoted
from storage.catalog.schema import Column, TableDef, ViewDef
from storage.errors import FrostlineError


def create_table_sql(table: TableDef) -> str:
    """CREATE TABLE as the table is now, and what comments on it."""
    lines = [f"  {_column_sql(column)}" for column in table.columns]
    if table.primary_key:
        named = f"CONSTRAINT {quoted(table.key_name)} " if table.key_name else ""
        lines.append(f"  {named}PRIMARY KEY ({', '.join(map(quoted, table.primary_key))})")
    lines += [f"  {_constraint_sql(constraint)}" for constraint in table.constraints]
    options = ", ".join(f"{name} = {literal(value)}" for name, value in table.options_shown.items() if value)
    body = ",\n".join(lines)
    kind = "TEMPORARY" if table.name.is_temporary else str(table.kind).upper()
    create = f"CREATE {kind} TABLE {sql_name(table.name)} (\n{body}\n) WITH ({options})"
    columns = [(column.name, column.comment) for column in table.columns]
    return ";\n".join((create, *_comments("TABLE", table.name, table.comment, columns)))


def create_view_sql(view: ViewDef) -> str:
    """CREATE VIEW with the text as it was written; unqualified names in it are looked up where it was made."""
    create = f"CREATE VIEW {sql_name(view.name)} AS {with_time_travel(view.sql)}"
    return ";\n".join((create, *_comments("VIEW", view.name, view.comment, view.column_comments)))


def _column_sql(column: Column) -> str:
    parts = [quoted(column.name), _declared(column)]
    if not column.nullable:
        parts.append("NOT NULL")
    if column.identity is not None:
        parts.append(f"GENERATED {column.identity} AS IDENTITY")
    elif column.default_sql is not None:
        parts.append(f"DEFAULT {column.default_sql}")
    return " ".join(parts)


def _declared(column: Column) -> str:
    if _type_of(column.sql_type) == column.type:
        return column.sql_type
    declared = column.sql_type if _type_of(column.sql_type) is not None else "VARCHAR"
    return f"{declared} /* Arrow: {str(column.type).replace('*', ' ')} */"


@lru_cache(maxsize=1024)
def _type_of(sql_type: str) -> pa.DataType | None:
    """None for a name that no statement can use."""
    try:
        cursor = Cursor(SqlText(sql_type))
        found, _ = read_type(cursor)
        return found if cursor.ended else None
    except FrostlineError:
        return None


def _comments(kind: str, name: TableName, comment: str, of_columns: Iterable[tuple[str, str]]) -> list[str]:
    whole = [f"COMMENT ON {kind} {sql_name(name)} IS {literal(comment)}"] if comment else []
    return whole + [
        f"COMMENT ON COLUMN {sql_name(name)}.{quoted(column)} IS {literal(text)}" for column, text in of_columns if text
    ]


def _constraint_sql(constraint: Constraint) -> str:
    """As CREATE TABLE and ADD take it."""
    columns = ", ".join(map(quoted, constraint.columns))
    if constraint.kind is ConstraintKind.CHECK:
        what = f"CHECK ({constraint.check_sql})"
    elif constraint.reference is None:
        what = f"UNIQUE ({columns})"
    else:
        what = f"FOREIGN KEY ({columns}) {_reference_sql(constraint.reference)}"
    return f"CONSTRAINT {quoted(constraint.name)} {what} NOT ENFORCED"


def _reference_sql(reference: Reference) -> str:
    columns = ", ".join(map(quoted, reference.columns))
    match = " MATCH FULL" if reference.is_match_full else ""
    rules = f" ON UPDATE {reference.on_update} ON DELETE {reference.on_delete}"
    return f"REFERENCES {sql_name(reference.table)} ({columns}){match}{rules}"
