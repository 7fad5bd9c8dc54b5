"""Assigned columns and defaults as expression texts."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flight_server.parser.statements.changes import Assignment
from flight_server.sql.change.change_sql import assigned
from flight_server.sql.change.identity import refuse_assigned
from flight_server.sql.change.row_conversion import target_column
from storage.catalog.schema import Column, TableDef
from storage.errors import NotSupported


def assigned_values(table: TableDef, assignments: Sequence[Assignment]) -> dict[str, str]:
    """Column -> expression. Raises InvalidRequest (unknown, repeated, system or generated column)."""
    refuse_assigned(table, assignments)
    defaults = {}
    for assignment in assignments:
        column = target_column(table, assignment.column)
        if assignment.value_sql is None:
            defaults[column.name] = _default_text(column)
    return assigned(table, assignments, defaults)


def new_types(table: TableDef) -> dict[str, pa.DataType]:
    """What `c0..` of a change's SELECT are cast to."""
    return {f"c{i}": column.type for i, column in enumerate(table.columns)}


def _default_text(column: Column) -> str:
    text = column.default_sql
    if text is None:
        return "NULL"
    if any(name in text.lower() for name in ("uuid_v7", "snowflake_id", "current_user", "gen_random_uuid")):
        raise NotSupported(
            f"column '{column.name}' can't be set to DEFAULT here, since {text} is only computed for inserted rows"
        )
    return f"({text})"
