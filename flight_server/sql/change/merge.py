"""MERGE runs one SELECT over the matched pairs, one for each WHEN NOT MATCHED clause; all of one snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flight_server.parser.statements.changes import Merge, MergeClause
from flight_server.query.errors.casts import naming_columns
from flight_server.sql.change import change_sql as change_text
from flight_server.sql.change.assignments import assigned_values, new_types
from flight_server.sql.change.change_sql import ACTION, Target
from flight_server.sql.change.change_stage import Changed, Repeats, StagedChange, returned
from flight_server.sql.change.identity import refuse_given
from flight_server.sql.change.insert import full_rows
from flight_server.sql.change.merge_source import without_stars
from flight_server.sql.change.row_conversion import target_columns
from flight_server.sql.context.statement_context import StatementContext
from storage.errors import InvalidRequest
from storage.state.batch_rows import kept_rows


def merge_rows(context: StatementContext, to: Target, merge: Merge) -> Changed:
    """Run one MERGE. A target row that two source rows match is refused. RETURNING shows deleted rows as they were."""
    merge = without_stars(context, to, merge)
    keep = merge.returning_sql is not None
    with StagedChange(context, to.table, repeats=Repeats.REFUSED, keep_new=keep, keep_old=keep) as staged:
        with naming_columns(to.table, to.table.columns):
            if any(clause.matched for clause in merge.clauses):
                _matched(context, to, merge, staged)
            for rows in _unmatched(context, to, merge):
                staged.add_rows(rows)
        result = returned(context, to, merge.returning_sql, staged.kept)
        return Changed(staged.apply(), result)


def merge_selects(to: Target, merge: Merge) -> Iterator[str]:
    """The texts of all the SELECTs that the statement runs. Raises InvalidRequest."""
    if any(clause.matched for clause in merge.clauses):
        yield _matched_sql(to, merge)
    for clause, taken in _inserting(merge):
        yield _insert_sql(to, merge, clause, taken)


def _matched_sql(to: Target, merge: Merge) -> str:
    clauses = [clause for clause in merge.clauses if clause.matched]
    values = [assigned_values(to.table, clause.assignments) for clause in clauses]
    return change_text.merge_matched_sql(to, merge, values)


def _matched(context: StatementContext, to: Target, merge: Merge, staged: StagedChange) -> None:
    clauses = [clause for clause in merge.clauses if clause.matched]
    deletes = [i for i, clause in enumerate(clauses) if clause.action == "delete"]
    updates = [i for i, clause in enumerate(clauses) if clause.action == "update"]
    for batch in context.stream(_matched_sql(to, merge), new_types(to.table)):
        action = batch.column(ACTION)
        staged.add(kept_rows(batch, pc.is_in(action, pa.array(updates, action.type))))
        gone = kept_rows(batch, pc.is_in(action, pa.array(deletes, action.type)))
        staged.add(gone.rename_columns([_as_old(name) for name in gone.schema.names]))


def _as_old(name: str) -> str:
    """A deleting clause assigns nothing, so `c0..` are the row as it was."""
    return f"o{name[1:]}" if name.startswith("c") else name


def _inserting(merge: Merge) -> Iterator[tuple[MergeClause, tuple[MergeClause, ...]]]:
    """Each WHEN NOT MATCHED .. INSERT, with the clauses that come before it."""
    taken: tuple[MergeClause, ...] = ()
    for clause in (c for c in merge.clauses if not c.matched):
        if clause.action == "insert":
            yield clause, taken
        if clause.condition_sql is None:
            return  # what comes after it can never fit
        taken = (*taken, clause)


def _unmatched(context: StatementContext, to: Target, merge: Merge) -> Iterator[pa.RecordBatch]:
    for clause, taken in _inserting(merge):
        columns = target_columns(to.table, clause.columns)
        types = {f"c{i}": column.type for i, column in enumerate(columns)}
        for batch in context.stream(_insert_sql(to, merge, clause, taken), types):
            given = {c.name: batch.column(f"c{i}") for i, c in enumerate(columns) if clause.values[i] is not None}
            yield from full_rows(context, to.table, given, batch.num_rows)


def _insert_sql(to: Target, merge: Merge, clause: MergeClause, taken: tuple[MergeClause, ...]) -> str:
    columns = target_columns(to.table, clause.columns)
    if len(columns) != len(clause.values):
        raise InvalidRequest(
            f"WHEN NOT MATCHED gives {len(clause.values)} values for {len(columns)} columns of table '{to.table.name}'",
            sqlstate="42601",
        )
    refuse_given(to.table, (c.name for c, value in zip(columns, clause.values, strict=True) if value is not None))
    texts = ["NULL" if value is None else f"({value})" for value in clause.values]
    return change_text.merge_unmatched_sql(to, merge, clause, taken, texts)
