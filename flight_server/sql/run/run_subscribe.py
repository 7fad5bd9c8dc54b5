"""Runs SUBSCRIBE: outside of any transaction, since a live query does not end."""

from __future__ import annotations

from flight_server.sql.live.subscribe import LiveResult, subscribe
from flight_server.sql.scopes.statement_run import Execution, StatementRun


def run_subscribe(execution: Execution, run: StatementRun) -> LiveResult:
    """It listens on return. Raises as `subscribe`."""
    statements, running, scopes = execution.statements, run.running, execution.scopes
    with scopes.outside(run.request, "SUBSCRIBE", running.is_stopped) as context:
        context = run.bound.allowed(context)
        return subscribe(context, execution.live, run.statement, statements, running, scopes.rights)
    raise AssertionError("not reached")
