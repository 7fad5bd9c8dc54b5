"""Runs SELECT and its kin: planned in a transaction, which stays open for as long as their rows are read."""

from __future__ import annotations

from flight_server.query.engine import Plan
from flight_server.sql.context.results import RowsResult
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.run.point_lookup import scope_of
from flight_server.sql.scopes.statement_run import Execution, StatementRun
from storage.catalog.users import Privilege


def run_query(execution: Execution, run: StatementRun) -> RowsResult:
    """Plan it; its rows are computed when they are asked for."""
    for attempt in execution.scopes.reads(run.request, run.running.is_stopped):
        with attempt as context:
            plan = _planned(context, run)
            release = attempt.keep()
    catalog = context.transaction.catalog

    def still_allowed() -> None:
        rights = execution.scopes.rights(run.session)
        for name in plan.touched.names:
            rights.require(Privilege.SELECT, name, catalog)

    queries = execution.services.queries
    return RowsResult(plan, queries, execution.statements, run.running, release, still_allowed)


def _planned(context: StatementContext, run: StatementRun) -> Plan:
    sql, params = run.statement.sql, run.bound.params or {}
    return context.services.queries.plan(sql, scope_of(context, sql, params), params)
