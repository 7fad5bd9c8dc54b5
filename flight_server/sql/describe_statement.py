"""Describes what statements of each kind would do, without doing it: for prepared statements and GetSchema.

Each function raises as running the statement would for unknown names; `parameters` is how many placeholders the text
has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa

from flight_server.parser.statements.changes import DataChange, Truncate
from flight_server.parser.statements.live import Subscribe
from flight_server.parser.statements.session import DescribeQuery
from flight_server.parser.statements.statement import Query
from flight_server.sql.change.change_sql import target
from flight_server.sql.change.parameter_types import change_parameters
from flight_server.sql.change.stream_rules import check_change
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.interface.statement_shape import StatementShape
from flight_server.sql.live.subscribe import live_shape
from flight_server.sql.scopes.statement_run import StatementKind
from flight_server.sql.show.describe_query import DESCRIBED_SCHEMA
from storage.catalog.names import quoted
from storage.state.batch_rows import no_rows

NO_COLUMNS: Final = pa.schema([])
Describe = Callable[[StatementContext, Any, int], StatementShape]


def query_shape(context: StatementContext, statement: Query, parameters: int) -> StatementShape:
    plan = context.plan(statement.sql)
    return StatementShape(False, plan.schema, _parameter_schema(plan.parameters, parameters))


def described_query_shape(context: StatementContext, statement: DescribeQuery, parameters: int) -> StatementShape:
    types = context.plan(statement.sql).parameters
    return StatementShape(False, DESCRIBED_SCHEMA, _parameter_schema(types, parameters))


def subscription_shape(context: StatementContext, statement: Subscribe, parameters: int) -> StatementShape:
    columns, types = live_shape(context, statement)
    return StatementShape(False, columns, _parameter_schema(types, parameters))


def table_of(schema: pa.Schema) -> Describe:
    """Of statements that answer with a table of always the same columns."""
    return lambda context, statement, parameters: StatementShape(False, schema, NO_COLUMNS)


def answer_of(answer: Callable[[StatementContext, Any], pa.Table]) -> Describe:
    """Of statements that only look: what they answer tells its columns."""
    return lambda context, statement, parameters: StatementShape(False, answer(context, statement).schema, NO_COLUMNS)


def count(context: StatementContext, statement: object, parameters: int) -> StatementShape:
    """Of statements that answer with a count."""
    return StatementShape(True, NO_COLUMNS, _parameter_schema({}, parameters))


def change_shape(context: StatementContext, change: DataChange, parameters: int) -> StatementShape:
    """Of changes of rows: the rows of RETURNING, if they have it, or a count."""
    to = target(context.table(change.table), context.name(change.table), change.table)
    check_change(to.table, change)
    types = change_parameters(context, to, change)
    returning = None if isinstance(change, Truncate) else change.returning_sql
    if returning is None:
        return StatementShape(True, NO_COLUMNS, _parameter_schema(types, parameters))
    rows = pa.Table.from_batches([no_rows(to.table.arrow_schema)])
    dataset = context.plan(f"SELECT {returning} FROM {quoted(to.alias)}", extra={to.alias: rows}).schema
    return StatementShape(False, dataset, _parameter_schema(types, parameters))


def shape_untold(kind: StatementKind, statement: object, parameters: int) -> StatementShape:
    """As much as the words alone say: the columns of its rows show when it runs."""
    gives_rows = kind.gives_rows or getattr(statement, "returning_sql", None) is not None
    return StatementShape(not gives_rows, NO_COLUMNS, _parameter_schema({}, parameters))


def _parameter_schema(types: Mapping[str, pa.DataType], parameters: int) -> pa.Schema:
    """Fields "1".. in order; what could not be inferred is text, since some clients can't bind to an unknown type."""
    known = {name: kind for name, kind in types.items() if not pa.types.is_null(kind)}
    return pa.schema([pa.field(f"${n}", known.get(str(n), pa.string())) for n in range(1, parameters + 1)])
