"""Parameter types: which type each placeholder of a change wants, learnt without running it.

The SELECTs behind the change are planned for what stands inside expressions; a placeholder that is a whole value
takes the type of the column it goes to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import pyarrow as pa

from flight_server.parser.statements.changes import (
    Assignment,
    DataChange,
    Delete,
    Insert,
    Merge,
    OnConflict,
    QueryRows,
    Truncate,
    Update,
    ValuesRows,
)
from flight_server.sql.change import change_sql as change_text
from flight_server.sql.change.assignments import assigned_values, new_types
from flight_server.sql.change.change_sql import EXCLUDED, Target
from flight_server.sql.change.merge import merge_selects
from flight_server.sql.change.merge_source import without_stars
from flight_server.sql.change.row_conversion import target_columns
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.schema import Column
from storage.errors import FrostlineError
from storage.state.batch_rows import no_rows

Types = dict[str, pa.DataType]


def change_parameters(context: StatementContext, to: Target, change: DataChange) -> Types:
    """Placeholder ("1") -> type, null or absent where it is unknown. Raises as running would for unknown names."""
    match change:
        case Insert():
            return _of_insert(context, to, change)
        case Update():
            sql = change_text.update_sql(to, change, assigned_values(to.table, change.assignments))
            return _planned(context, [sql]) | _of_assignments(to, change.assignments)
        case Delete():
            return _planned(context, [change_text.delete_sql(to, change)])
        case Merge():
            return _of_merge(context, to, change)
        case Truncate():
            return {}


def _of_insert(context: StatementContext, to: Target, change: Insert) -> Types:
    columns = target_columns(to.table, change.columns)
    types: Types = {}
    if isinstance(change.source, QueryRows):
        types |= _planned(context, [change.source.sql])
    elif isinstance(change.source, ValuesRows):
        types |= _of_values(context, columns, change.source.rows)
    if change.on_conflict is not None and change.on_conflict.assignments:
        types |= _of_conflict(context, to, change.on_conflict)
    return types


def _of_values(context: StatementContext, columns: Sequence[Column], rows: Sequence[Sequence[str | None]]) -> Types:
    bare: Types = {}
    inside: list[str] = []
    for row in rows:
        for column, item in zip(columns, row, strict=False):
            found = _bare(item, column.type)
            bare |= found
            if not found and item is not None and "$" in item:
                inside.append(f"SELECT {item}")
    with suppress(FrostlineError):  # a guess: what it can't tell stays unknown
        return _planned(context, inside) | bare
    return bare


def _of_conflict(context: StatementContext, to: Target, conflict: OnConflict) -> Types:
    values = assigned_values(to.table, conflict.assignments)
    sql = change_text.conflict_sql(to, to.table.primary_key, values, conflict.where_sql)
    new = pa.Table.from_batches([no_rows(to.table.arrow_schema)])
    planned = dict(context.plan(sql, new_types(to.table), {EXCLUDED: new}).parameters)
    return planned | _of_assignments(to, conflict.assignments)


def _of_merge(context: StatementContext, to: Target, merge: Merge) -> Types:
    merge = without_stars(context, to, merge)
    types = _planned(context, list(merge_selects(to, merge)))
    for clause in merge.clauses:
        types |= _of_assignments(to, clause.assignments)
        if clause.action == "insert":
            columns = target_columns(to.table, clause.columns)
            types |= {
                k: v for c, item in zip(columns, clause.values, strict=False) for k, v in _bare(item, c.type).items()
            }
    return types


def _planned(context: StatementContext, selects: Sequence[str]) -> Types:
    found: Types = {}
    for name, kind in _each(context, selects):
        if pa.types.is_null(found.get(name, pa.null())):
            found[name] = kind
    return found


def _each(context: StatementContext, selects: Sequence[str]) -> Iterator[tuple[str, pa.DataType]]:
    for sql in selects:
        yield from context.plan(sql).parameters.items()


def _of_assignments(to: Target, assignments: Sequence[Assignment]) -> Types:
    types: Types = {}
    for assignment in assignments:
        column = to.table.column(assignment.column)
        if column is not None:
            types |= _bare(assignment.value_sql, column.type)
    return types


def _bare(item: str | None, data_type: pa.DataType) -> Types:
    """A placeholder standing alone takes the type of the column it goes to."""
    text = (item or "").strip()
    return {text[1:]: data_type} if text.startswith("$") and text[1:].isdigit() else {}
