"""`run_bound` runs one change for many rows of parameters, all of them as one.

An INSERT whose values are nothing but placeholders takes the columns as they come, an UPDATE or DELETE by key becomes
a join with them. Anything else, and rows that meet each other, runs row by row in the one transaction, each run seeing
what those before it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import pyarrow as pa

from flight_server.parser.statements.changes import DataChange, Insert, Update, ValuesRows
from flight_server.sql.change.change_sql import target
from flight_server.sql.change.change_stage import MEETS_TWICE, Changed, Repeats
from flight_server.sql.change.execute_many_join import BOUND, bound_table, joined_with_bound
from flight_server.sql.change.identity import columns_taken
from flight_server.sql.change.insert import full_rows, insert_batches
from flight_server.sql.change.row_conversion import target_columns
from flight_server.sql.change.run_change import run_change
from flight_server.sql.change.stream_rules import check_change
from flight_server.sql.context.parameter_values import bound_values
from flight_server.sql.context.statement_context import StatementContext
from storage.errors import Cancelled, InvalidRequest
from storage.whole_numbers import whole_number


def run_bound(context: StatementContext, change: DataChange, batches: Sequence[pa.RecordBatch]) -> Changed:
    """Raises as `run_change`."""
    check_change(context.table(change.table), change)
    try:
        changed = _at_once(context, change, batches)
    except InvalidRequest as error:
        if error.sqlstate != MEETS_TWICE:
            raise
        changed = None
    return changed or _row_by_row(context, change, batches)


def _at_once(context: StatementContext, change: DataChange, batches: Sequence[pa.RecordBatch]) -> Changed | None:
    """All rows in one run; None when this change has no such form."""
    places = bound_places(change)
    if places is not None and isinstance(change, Insert):
        return _insert(context, change, places, batches)
    join = joined_with_bound(change)
    if join is None or sum(batch.num_rows for batch in batches) == 1:
        return None
    repeats = Repeats.REFUSED if isinstance(change, Update) else Repeats.FIRST_WINS
    return run_change(replace(context, rows={BOUND: bound_table(batches)}), join, repeats)


def _row_by_row(context: StatementContext, change: DataChange, batches: Sequence[pa.RecordBatch]) -> Changed:
    rows = 0
    for batch in batches:
        for row in range(batch.num_rows):
            if context.cancelled():
                raise Cancelled("the statement was cancelled")
            rows += run_change(context.with_params(bound_values(batch, row)), change).rows
    return Changed(rows)


def check_bound(needed: int, given: int) -> None:
    """As many values as placeholders. Raises InvalidRequest (07002 for too few, 07001 for too many)."""
    if needed == given:
        return
    raise InvalidRequest(
        f"the statement has {needed or 'no'} parameter{'' if needed == 1 else 's'}, but {given or 'no'} "
        f"value{' was' if given == 1 else 's were'} bound",
        sqlstate="07002" if given < needed else "07001",
    )


def bound_places(change: DataChange) -> tuple[int, ...] | None:
    """For `VALUES ($2, $1)`: (1, 0); None when the statement is anything else."""
    if not isinstance(change, Insert) or not isinstance(change.source, ValuesRows) or len(change.source.rows) != 1:
        return None
    conflict = change.on_conflict
    texts = [] if conflict is None else [conflict.where_sql, *(a.value_sql for a in conflict.assignments)]
    if change.returning_sql is not None or any("$" in (text or "") for text in texts):
        return None
    items = [(item or "").strip() for item in change.source.rows[0]]
    numbers = [whole_number(item[1:]) if item.startswith("$") else None for item in items]
    return None if None in numbers else tuple(number - 1 for number in numbers if number is not None)


def _insert(
    context: StatementContext, change: Insert, places: tuple[int, ...], batches: Sequence[pa.RecordBatch]
) -> Changed:
    to = target(context.table(change.table), context.name(change.table), change.table)
    columns = target_columns(to.table, change.columns)
    if len(columns) != len(places):
        raise InvalidRequest(
            f"the statement gives {len(places)} values for {len(columns)} columns of table '{to.table.name}'",
            sqlstate="42601",
        )
    taken = columns_taken(to.table, columns, change.overriding)
    given = [(c.name, p) for c, p in zip(columns, places, strict=True) if c.name in taken]
    rows = (full_rows(context, to.table, {name: b.column(p) for name, p in given}, b.num_rows) for b in batches)
    return insert_batches(context, to, change, chain.from_iterable(rows))
