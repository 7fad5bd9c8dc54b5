"""Runs a handler in the scope of its kind: `changing` in one that commits, `answering` in one that reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from flight_server.sql.change.change_stage import Changed
from flight_server.sql.context.results import CountResult, TableResult
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.interface.statement_result import StatementResult
from flight_server.sql.scopes.statement_run import Execution, StatementRun

Run = Callable[[Execution, StatementRun], StatementResult]


def changing(change: Callable[[StatementContext, Any], Changed]) -> Run:
    """Of a statement that changes rows or definitions, and runs again when others committed first."""

    def run(execution: Execution, run: StatementRun) -> StatementResult:
        changed = run_change_in_scope(execution, run, change)
        if changed.returning is not None:
            return TableResult(changed.returning, run.running.query_id)
        return CountResult(changed.rows, run.running.query_id)

    return run


def run_change_in_scope(
    execution: Execution, run: StatementRun, change: Callable[[StatementContext, Any], Changed]
) -> Changed:
    """What `change` came to, committed unless the session's transaction goes on."""
    for attempt in execution.scopes.changes(run.request, run.running):
        with attempt as context:
            changed = change(run.bound.allowed(context), run.statement)
    return changed.discarded() if attempt.was_discarded else changed


def answering(answer: Callable[[StatementContext, Any], pa.Table]) -> Run:
    """Of a statement that answers with a small table."""

    def run(execution: Execution, run: StatementRun) -> StatementResult:
        for attempt in execution.scopes.reads(run.request, run.running.is_stopped):
            with attempt as context:
                table = answer(run.bound.allowed(context), run.statement)
        return TableResult(table, run.running.query_id)

    return run
