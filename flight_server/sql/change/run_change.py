"""`run_change` runs INSERT, UPDATE, DELETE, MERGE and TRUNCATE: the SELECT behind them, then rows to the transaction.

Nothing of a statement enters the transaction before all of it is computed and checked, so a statement that fails
leaves no trace. Many rows are staged to Parquet as they come; memory stays bounded.
"""

from __future__ import annotations

from flight_server.parser.statements.changes import DataChange, Delete, Insert, Merge, Truncate, Update
from flight_server.query.errors.casts import naming_columns
from flight_server.sql.change import change_sql as change_text
from flight_server.sql.change.assignments import assigned_values, new_types
from flight_server.sql.change.change_sql import Target, target
from flight_server.sql.change.change_stage import Changed, Repeats, StagedChange, returned
from flight_server.sql.change.insert import insert_rows
from flight_server.sql.change.merge import merge_rows
from flight_server.sql.change.stream_rules import check_change
from flight_server.sql.context.statement_context import StatementContext


def run_change(context: StatementContext, change: DataChange, repeats: Repeats = Repeats.FIRST_WINS) -> Changed:
    """Apply one statement to the context's transaction.

    repeats: what happens when FROM or USING meets a row of the target twice
    Raises InvalidRequest, ConstraintViolated, Conflict, NotFound, NotSupported, Cancelled, LimitExceeded,
    StorageUnavailable.
    """
    to = target(context.table(change.table), context.name(change.table), change.table)
    check_change(to.table, change)
    match change:
        case Insert():
            return insert_rows(context, to, change)
        case Update():
            return _update(context, to, change, repeats)
        case Delete():
            return _delete(context, to, change, repeats)
        case Merge():
            return merge_rows(context, to, change)
        case Truncate():
            return _truncate(context, to)


def _update(context: StatementContext, to: Target, change: Update, repeats: Repeats) -> Changed:
    assigned = assigned_values(to.table, change.assignments)
    sql = change_text.update_sql(to, change, assigned)
    repeats = repeats if change.from_sql else Repeats.IMPOSSIBLE
    with StagedChange(context, to.table, repeats=repeats, keep_new=change.returning_sql is not None) as staged:
        with naming_columns(to.table, [c for c in to.table.columns if c.name in assigned]):
            for batch in context.stream(sql, new_types(to.table)):
                staged.add(batch)
        result = returned(context, to, change.returning_sql, staged.kept)
        return Changed(staged.apply(), result)


def _delete(context: StatementContext, to: Target, change: Delete, repeats: Repeats) -> Changed:
    repeats = repeats if change.using_sql else Repeats.IMPOSSIBLE
    with StagedChange(context, to.table, repeats=repeats, keep_old=change.returning_sql is not None) as staged:
        for batch in context.stream(change_text.delete_sql(to, change)):
            staged.add(batch)
        result = returned(context, to, change.returning_sql, staged.kept)
        return Changed(staged.apply(), result)


def _truncate(context: StatementContext, to: Target) -> Changed:
    with StagedChange(context, to.table) as staged:
        for batch in context.stream(change_text.truncate_sql(to)):
            staged.add(batch)
        return Changed(staged.apply())
