"""What a statement would do, without doing it: for prepared statements and GetSchema."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from flight_server.ports import StatementShape
from flight_server.sql import change_text
from flight_server.sql.assign import assigned_values, new_types
from flight_server.sql.call import Call
from flight_server.sql.change_text import Target, target
from flight_server.sql.job_statements import JOB_SCHEMA
from flight_server.sql.rows import target_columns
from flight_server.sql.show import describe, show
from flight_server.sql.statements import (
    Assignment,
    CompactTable,
    DataChange,
    Delete,
    Describe,
    FlushTable,
    Insert,
    KillJob,
    Merge,
    Query,
    QueryRows,
    Show,
    Statement,
    Truncate,
    Update,
    ValuesRows,
    WaitForJob,
)

NO_COLUMNS = pa.schema([])
_Types = dict[str, pa.DataType]


def shape_of(call: Call, statement: Statement, parameters: int) -> StatementShape:
    """`parameters`: how many placeholders the text has. Raises as running the statement would for unknown names."""
    match statement:
        case Query(sql):
            plan = call.plan(sql)
            return StatementShape(False, plan.schema, _schema(plan.parameters, parameters))
        case Show():
            return StatementShape(False, show(call, statement).schema, NO_COLUMNS)
        case Describe():
            return StatementShape(False, describe(call, statement).schema, NO_COLUMNS)
        case FlushTable() | CompactTable() | KillJob() | WaitForJob():
            return StatementShape(False, JOB_SCHEMA, NO_COLUMNS)
        case Insert() | Update() | Delete() | Merge() | Truncate():
            return _change_shape(call, statement, parameters)
        case _:
            return StatementShape(True, NO_COLUMNS, _schema({}, parameters))


def _change_shape(call: Call, change: DataChange, parameters: int) -> StatementShape:
    to = target(call.table(change.table), call.name(change.table), change.table)
    types = _parameter_types(call, to, change)
    returning = None if isinstance(change, Truncate) else change.returning_sql
    if returning is None:
        return StatementShape(True, NO_COLUMNS, _schema(types, parameters))
    rows = to.table.arrow_schema.empty_table()
    dataset = call.plan(f'SELECT {returning} FROM "{to.alias}"', extra={to.alias: rows}).schema
    return StatementShape(False, dataset, _schema(types, parameters))


def _parameter_types(call: Call, to: Target, change: DataChange) -> _Types:
    match change:
        case Insert():
            return _insert_types(call, to, change)
        case Update():
            values = assigned_values(to.table, change.assignments)
            planned = call.plan(change_text.update_sql(to, change, values), new_types(to.table)).parameters
            return {**planned, **_assigned_types(to, change.assignments)}
        case Delete():
            return dict(call.plan(change_text.delete_sql(to, change)).parameters)
        case Merge() | Truncate():
            return {}


def _insert_types(call: Call, to: Target, change: Insert) -> _Types:
    columns = target_columns(to.table, change.columns)
    if isinstance(change.source, QueryRows):
        return dict(call.plan(change.source.sql).parameters)
    types: _Types = {}
    if isinstance(change.source, ValuesRows):
        for row in change.source.rows:
            for column, item in zip(columns, row, strict=False):
                types |= _bare(item, column.type)
    if change.on_conflict is not None:
        types |= _assigned_types(to, change.on_conflict.assignments)
    return types


def _assigned_types(to: Target, assignments: tuple[Assignment, ...]) -> _Types:
    types: _Types = {}
    for assignment in assignments:
        column = to.table.column(assignment.column)
        if column is not None:
            types |= _bare(assignment.value_sql, column.type)
    return types


def _bare(item: str | None, data_type: pa.DataType) -> _Types:
    """A placeholder standing alone takes the type of the column it goes to."""
    text = (item or "").strip()
    return {text[1:]: data_type} if text.startswith("$") and text[1:].isdigit() else {}


def _schema(types: Mapping[str, pa.DataType], parameters: int) -> pa.Schema:
    """Fields "1".. in order; what could not be inferred is text, since some clients can't bind to an unknown type."""
    known = {name: kind for name, kind in types.items() if not pa.types.is_null(kind)}
    return pa.schema([pa.field(f"${n}", known.get(str(n), pa.string())) for n in range(1, parameters + 1)])
