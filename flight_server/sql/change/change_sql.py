"""Change SQL is the SELECT behind each change: pure text from a statement and a table.

The engine only ever reads. An UPDATE becomes a SELECT of the versions to delete (`_seq` and the old primary key)
beside the new values; DELETE and MERGE likewise. The target goes by its name among `made_names`, which shows `_seq`;
every other table in the statement looks as it always does. Output columns are numbered: `k0..` old key, `c0..` new
values, `o0..` old values for RETURNING.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flight_server.parser.statements.changes import Assignment, Delete, Merge, MergeClause, Update
from flight_server.parser.statements.table_ref import TableRef
from flight_server.parser.text.made_names import rows_name
from storage.catalog.names import TableName, quoted
from storage.catalog.schema import SEQ, TableDef
from storage.errors import InvalidRequest

OLD_SEQ: Final = "old_seq"
ACTION: Final = "action"
EXCLUDED: Final = "excluded"


@dataclass(frozen=True, slots=True)
class Target:
    """The table of a change and what the statement calls it."""

    table: TableDef
    name: TableName
    alias: str

    @property
    def from_sql(self) -> str:
        return f"{quoted(self.name.namespace)}.{quoted(rows_name(self.name.table))} AS {quoted(self.alias)}"

    def column_sql(self, column: str) -> str:
        return f"{quoted(self.alias)}.{quoted(column)}"

    @property
    def version_sql(self) -> list[str]:
        """`_seq` and the primary key of the version."""
        keys = [f"{self.column_sql(name)} AS k{i}" for i, name in enumerate(self.table.primary_key)]
        return [f'{self.column_sql(SEQ)} AS "{OLD_SEQ}"', *keys]


def target(table: TableDef, name: TableName, ref: TableRef) -> Target:
    return Target(table, name, ref.alias or ref.table)


def update_sql(to: Target, change: Update, values: Mapping[str, str]) -> str:
    """values: column -> expression for the assigned ones."""
    new = [f"{_value(to, c.name, values)} AS c{i}" for i, c in enumerate(to.table.columns)]
    source = f"{to.from_sql}, {change.from_sql}" if change.from_sql else to.from_sql
    return f"SELECT {', '.join([*to.version_sql, *new])} FROM {source}{_where(change.where_sql)}"


def delete_sql(to: Target, change: Delete) -> str:
    old = []
    if change.returning_sql is not None:
        old = [f"{to.column_sql(c.name)} AS o{i}" for i, c in enumerate(to.table.columns)]
    source = f"{to.from_sql}, {change.using_sql}" if change.using_sql else to.from_sql
    return f"SELECT {', '.join([*to.version_sql, *old])} FROM {source}{_where(change.where_sql)}"


def truncate_sql(to: Target) -> str:
    return f"SELECT {', '.join(to.version_sql)} FROM {to.from_sql}"


def conflict_sql(to: Target, key_columns: Sequence[str], values: Mapping[str, str], where_sql: str | None) -> str:
    """ON CONFLICT DO UPDATE: the rows of `excluded` that meet a version, with what it becomes."""
    on = " AND ".join(f"{to.column_sql(name)} = {EXCLUDED}.{quoted(name)}" for name in key_columns)
    new = [f"{_value(to, c.name, values)} AS c{i}" for i, c in enumerate(to.table.columns)]
    joined = f"{to.from_sql} JOIN {EXCLUDED} ON {on}"
    return f"SELECT {', '.join([*to.version_sql, *new])} FROM {joined}{_where(where_sql)}"


def merge_matched_sql(to: Target, merge: Merge, values: Sequence[Mapping[str, str]]) -> str:
    """Matched pairs whose first fitting clause does something; `action` is that clause's number.

    values: for each matched clause the assigned expressions, {} for DELETE and DO NOTHING.
    """
    clauses = [clause for clause in merge.clauses if clause.matched]
    action = _first_fitting(clauses)
    new = [
        f"CASE {' '.join(_branches(to, c.name, action, values))} ELSE {to.column_sql(c.name)} END AS c{i}"
        for i, c in enumerate(to.table.columns)
    ]
    inner = ", ".join([*to.version_sql, f"{action} AS {quoted(ACTION)}"])
    source = f"{to.from_sql} JOIN {merge.source_sql} ON {merge.on_sql}"
    if not any(values) and merge.returning_sql is None:
        return f"SELECT {inner} FROM {source}"
    return f"SELECT {inner}, {', '.join(new)} FROM {source}"


def merge_unmatched_sql(
    to: Target, merge: Merge, clause: MergeClause, taken: Sequence[MergeClause], values: Sequence[str]
) -> str:
    """Source rows without a match that fit `clause` and none of the clauses before it."""
    conditions = [f"({clause.condition_sql})"] if clause.condition_sql else []
    conditions += [f"(({c.condition_sql}) IS NOT TRUE)" for c in taken if c.condition_sql]
    new = ", ".join(f"{value} AS c{i}" for i, value in enumerate(values))
    source = f"{merge.source_sql} LEFT ANTI JOIN {to.from_sql} ON {merge.on_sql}"
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {new} FROM {source}{where}"


def assigned(table: TableDef, assignments: Sequence[Assignment], default_of: Mapping[str, str]) -> dict[str, str]:
    """Column -> expression; DEFAULT becomes `default_of` the column. Raises InvalidRequest for a repeated column."""
    values: dict[str, str] = {}
    for assignment in assignments:
        if assignment.column in values:
            raise InvalidRequest(f"column '{assignment.column}' is assigned twice", sqlstate="42701")
        text = assignment.value_sql
        values[assignment.column] = default_of[assignment.column] if text is None else f"({text})"
    return values


def _value(to: Target, column: str, values: Mapping[str, str]) -> str:
    return values.get(column) or to.column_sql(column)


def _where(condition: str | None) -> str:
    return f" WHERE ({condition})" if condition else ""


def _first_fitting(clauses: Sequence[MergeClause]) -> str:
    branches = " ".join(f"WHEN {c.condition_sql or 'TRUE'} THEN {i}" for i, c in enumerate(clauses))
    return f"CASE {branches} ELSE -1 END"


def _branches(to: Target, column: str, action: str, values: Sequence[Mapping[str, str]]) -> list[str]:
    return [
        f"WHEN ({action}) = {i} THEN {assigned_[column] if column in assigned_ else to.column_sql(column)}"
        for i, assigned_ in enumerate(values)
        if assigned_
    ] or ["WHEN FALSE THEN NULL"]
