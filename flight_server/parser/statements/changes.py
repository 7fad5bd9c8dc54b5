"""Statements that change rows, as values: what the parser makes of a text, and what the executors take."""

from __future__ import annotations

from dataclasses import dataclass

from flight_server.parser.statements.constraints import Overriding
from flight_server.parser.statements.table_ref import TableRef


@dataclass(frozen=True, slots=True)
class ValuesRows:
    """`VALUES (..), (..)`: each item the text of an expression; None stands for DEFAULT."""

    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class QueryRows:
    """`INSERT INTO t SELECT ..`."""

    sql: str


@dataclass(frozen=True, slots=True)
class DefaultRow:
    """`DEFAULT VALUES`."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """`column = expression`; `value_sql` None stands for DEFAULT."""

    column: str
    value_sql: str | None


@dataclass(frozen=True, slots=True)
class OnConflict:
    """`ON CONFLICT [(columns)] DO NOTHING` (no assignments) or `DO UPDATE SET .. [WHERE ..]`."""

    columns: tuple[str, ...]
    assignments: tuple[Assignment, ...] = ()
    where_sql: str | None = None


@dataclass(frozen=True, slots=True)
class Insert:
    """`overriding`: what OVERRIDING .. VALUE says of identity columns."""

    table: TableRef
    columns: tuple[str, ...] | None
    source: ValuesRows | QueryRows | DefaultRow
    on_conflict: OnConflict | None = None
    returning_sql: str | None = None  # text of the RETURNING list
    overriding: Overriding | None = None


@dataclass(frozen=True, slots=True)
class Update:
    table: TableRef
    assignments: tuple[Assignment, ...]
    from_sql: str | None = None
    where_sql: str | None = None
    returning_sql: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    table: TableRef
    using_sql: str | None = None
    where_sql: str | None = None
    returning_sql: str | None = None


@dataclass(frozen=True, slots=True)
class MergeClause:
    """`WHEN [NOT] MATCHED [AND condition] THEN action`.

    action: "update" (no assignments: `SET *`, all columns by name), "delete", "insert" (columns and values; neither:
    `INSERT *`), "nothing".
    """

    matched: bool
    action: str
    condition_sql: str | None = None
    assignments: tuple[Assignment, ...] = ()
    columns: tuple[str, ...] | None = None
    values: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Merge:
    table: TableRef
    source_sql: str  # `(SELECT ..) AS s` or `other AS s`: the text between USING and ON
    on_sql: str
    clauses: tuple[MergeClause, ...]
    returning_sql: str | None = None


@dataclass(frozen=True, slots=True)
class Truncate:
    table: TableRef


DataChange = Insert | Update | Delete | Merge | Truncate
