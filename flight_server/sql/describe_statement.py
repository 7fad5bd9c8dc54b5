"""`shape_of` tells what a statement would do, without doing it: for prepared statements and GetSchema."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from flight_server.parser.statements.backups import ShowBackup
from flight_server.parser.statements.changes import DataChange, Delete, Insert, Merge, Truncate, Update
from flight_server.parser.statements.live import Subscribe
from flight_server.parser.statements.session import Describe, DescribeQuery, Show
from flight_server.parser.statements.statement import Answered, Query, Statement
from flight_server.parser.statements.storages import CheckStorage
from flight_server.sql.change.change_sql import target
from flight_server.sql.change.parameter_types import change_parameters
from flight_server.sql.change.stream_rules import check_change
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.storages import CHECK_SCHEMA
from flight_server.sql.interface import StatementShape
from flight_server.sql.live.subscribe import live_shape
from flight_server.sql.run_backup_statement import BACKUP_SCHEMA
from flight_server.sql.run_job_statement import JOB_SCHEMA
from flight_server.sql.show.describe_query import DESCRIBED_SCHEMA
from flight_server.sql.show.show import describe, show
from storage.catalog.names import quoted
from storage.state.batch_rows import no_rows

NO_COLUMNS = pa.schema([])


def shape_of(call: StatementContext, statement: Statement, parameters: int) -> StatementShape:
    """`parameters`: how many placeholders the text has. Raises as running the statement would for unknown names."""
    match statement:
        case Query(sql):
            plan = call.plan(sql)
            return StatementShape(False, plan.schema, _schema(plan.parameters, parameters))
        case Subscribe():
            columns, types = live_shape(call, statement)
            return StatementShape(False, columns, _schema(types, parameters))
        case Show():
            return StatementShape(False, show(call, statement).schema, NO_COLUMNS)
        case DescribeQuery(sql):
            return StatementShape(False, DESCRIBED_SCHEMA, _schema(call.plan(sql).parameters, parameters))
        case Describe():
            return StatementShape(False, describe(call, statement).schema, NO_COLUMNS)
        case CheckStorage():
            return StatementShape(False, CHECK_SCHEMA, NO_COLUMNS)
        case ShowBackup():
            return StatementShape(False, BACKUP_SCHEMA, NO_COLUMNS)
        case _ if isinstance(statement, Answered):
            return StatementShape(False, JOB_SCHEMA, NO_COLUMNS)
        case Insert() | Update() | Delete() | Merge() | Truncate():
            return _change_shape(call, statement, parameters)
        case _:
            return StatementShape(True, NO_COLUMNS, _schema({}, parameters))


def shape_untold(statement: Statement, parameters: int) -> StatementShape:
    """As much as the words alone say: the columns of its rows show when it runs."""
    returning = isinstance(statement, Insert | Update | Delete | Merge) and statement.returning_sql is not None
    gives_rows = isinstance(statement, Query | Subscribe | Answered)
    return StatementShape(not (gives_rows or returning), NO_COLUMNS, _schema({}, parameters))


def _change_shape(call: StatementContext, change: DataChange, parameters: int) -> StatementShape:
    to = target(call.table(change.table), call.name(change.table), change.table)
    check_change(to.table, change)
    types = change_parameters(call, to, change)
    returning = None if isinstance(change, Truncate) else change.returning_sql
    if returning is None:
        return StatementShape(True, NO_COLUMNS, _schema(types, parameters))
    rows = pa.Table.from_batches([no_rows(to.table.arrow_schema)])
    dataset = call.plan(f"SELECT {returning} FROM {quoted(to.alias)}", extra={to.alias: rows}).schema
    return StatementShape(False, dataset, _schema(types, parameters))


def _schema(types: Mapping[str, pa.DataType], parameters: int) -> pa.Schema:
    """Fields "1".. in order; what could not be inferred is text, since some clients can't bind to an unknown type."""
    known = {name: kind for name, kind in types.items() if not pa.types.is_null(kind)}
    return pa.schema([pa.field(f"${n}", known.get(str(n), pa.string())) for n in range(1, parameters + 1)])
