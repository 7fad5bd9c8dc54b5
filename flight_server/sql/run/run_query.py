"""Runs SELECT and its kin: planned in a transaction, which stays open for as long as their rows are read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flight_server.query.engine import Plan
from flight_server.query.results.running_query import FinishedQuery
from flight_server.sql.context.results import RowsResult, Start
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.run.point_lookup import point_read, scope_of
from flight_server.sql.run.row_by_key import FoundRow, row_by_key
from flight_server.sql.scopes.statement_run import Execution, StatementRun
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.catalog.users import Privilege


def run_query(execution: Execution, run: StatementRun) -> RowsResult:
    """Plan it; its rows are computed when they are asked for. What needs no plan has its answer already."""
    for attempt in execution.scopes.reads(run.request, run.running.is_stopped):
        with attempt as context:
            found = _found(context, run)
            release = attempt.keep() if isinstance(found, Plan) else _nothing
    start, names = _start(execution, found)
    still_allowed = partial(_require_select, execution, run, names, context.transaction.catalog)
    return RowsResult(found.schema, start, execution.statements, run.running, release, still_allowed)


def _found(context: StatementContext, run: StatementRun) -> Plan | FoundRow | FinishedQuery:
    queries, sql, params = context.services.queries, run.statement.sql, run.bound.params or {}
    constant = None if params else queries.constants.get(sql)
    if constant is not None:
        return constant
    wanted = point_read(sql, params) if context.transaction.is_empty else None
    row = None if wanted is None else row_by_key(context, wanted)
    return row or queries.plan(sql, scope_of(context, wanted), params)


def _start(execution: Execution, found: Plan | FoundRow | FinishedQuery) -> tuple[Start, Sequence[TableName]]:
    """With what is read."""
    queries = execution.services.queries
    if isinstance(found, Plan):
        return partial(queries.start, found), found.touched.names
    if isinstance(found, FoundRow):
        finished = queries.finished(found.row)
        return lambda _: finished, [found.table]
    return lambda _: found, ()


def _require_select(execution: Execution, run: StatementRun, names: Sequence[TableName], catalog: Catalog) -> None:
    """Raises PermissionDenied, NotFound: what was allowed before no longer is."""
    rights = execution.scopes.rights(run.session)
    for name in names:
        rights.require(Privilege.SELECT, name, catalog)


def _nothing() -> None:
    """No snapshot is held."""
