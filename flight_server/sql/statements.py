"""Statements as values: what the parser makes of a text, and what the executors take.

Expressions and queries stay slices of the user's own text (`..._sql`), so that the engine reads exactly what
was written. Names are checked already; a `TableRef` without namespace means the session's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa

from flight_server.sql.backup_statements import BackupStatement
from flight_server.sql.constraint_statements import (
    AddConstraint,
    ChangeIdentity,
    ConstraintSpec,
    DropConstraint,
    DropRule,
    Overriding,
    RenameConstraint,
)
from flight_server.sql.describe_query import DescribeQuery
from flight_server.sql.live_statements import KillLiveQuery, Subscribe
from flight_server.sql.namespace_statements import AlterNamespace as AlterNamespace
from flight_server.sql.namespace_statements import CreateNamespace as CreateNamespace
from flight_server.sql.namespace_statements import DropNamespace as DropNamespace
from flight_server.sql.storage_statements import CheckStorage, StorageStatement
from flight_server.sql.stream_statements import EvictTable as EvictTable
from flight_server.sql.table_ref import TableRef as TableRef
from flight_server.sql.user_statements import ExecuteAs, UserStatement
from flight_server.sql.view_statements import AlterView as AlterView
from flight_server.sql.view_statements import CreateView as CreateView
from flight_server.sql.view_statements import DropView as DropView
from storage.schema import Identity, TableKind

# --- reading ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Query:
    """SELECT, WITH, VALUES, TABLE or EXPLAIN: handed to the engine as it is (time travel already rewritten)."""

    sql: str


# --- changing rows ---------------------------------------------------------------------------------------------


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


# --- definitions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    name: str
    type: pa.DataType
    sql_type: str
    nullable: bool = True
    default_sql: str | None = None
    metadata: tuple[tuple[bytes, bytes], ...] = ()
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class CreateTable:
    table: TableRef
    kind: TableKind
    columns: tuple[ColumnSpec, ...]  # () with `as_sql`
    primary_key: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    if_not_exists: bool = False
    or_replace: bool = False
    temporary: bool = False
    as_sql: str | None = None
    key_name: str = ""
    constraints: tuple[ConstraintSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class DropTable:
    table: TableRef
    kind: TableKind | None  # as written: DROP SHARED TABLE ..
    if_exists: bool
    rule: DropRule | None = None


@dataclass(frozen=True, slots=True)
class AddColumn:
    column: ColumnSpec
    if_not_exists: bool = False
    constraints: tuple[ConstraintSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class DropColumn:
    name: str
    if_exists: bool = False
    rule: DropRule | None = None


@dataclass(frozen=True, slots=True)
class RenameColumn:
    name: str
    new_name: str


@dataclass(frozen=True, slots=True)
class ChangeColumnType:
    name: str
    type: pa.DataType
    sql_type: str


@dataclass(frozen=True, slots=True)
class ChangeColumnDefault:
    name: str
    default_sql: str | None


@dataclass(frozen=True, slots=True)
class ChangeColumnNullable:
    name: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class RenameTable:
    new_name: str


@dataclass(frozen=True, slots=True)
class SetOptions:
    options: Mapping[str, str]


TableAction = (
    AddColumn
    | DropColumn
    | RenameColumn
    | ChangeColumnType
    | ChangeColumnDefault
    | ChangeColumnNullable
    | ChangeIdentity
    | AddConstraint
    | DropConstraint
    | RenameConstraint
    | RenameTable
    | SetOptions
)


@dataclass(frozen=True, slots=True)
class AlterTable:
    table: TableRef
    actions: tuple[TableAction, ...]
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class CommentOn:
    """COMMENT ON TABLE or VIEW (column None), or on a COLUMN of either."""

    table: TableRef
    column: str | None
    comment: str


# --- looking around and session --------------------------------------------------------------------------------


class ShowKind(StrEnum):
    NAMESPACES = "namespaces"
    TABLES = "tables"  # in_namespace may narrow
    COLUMNS = "columns"
    STATS = "stats"
    CREATE_TABLE = "create table"
    VARIABLE = "variable"  # SHOW name
    ALL = "all"
    USERS = "users"
    GRANTS = "grants"  # FOR 'user' may narrow
    STORAGES = "storages"


@dataclass(frozen=True, slots=True)
class Show:
    kind: ShowKind
    table: TableRef | None = None
    in_namespace: str | None = None
    variable: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Describe:
    table: TableRef
    history: bool


@dataclass(frozen=True, slots=True)
class Use:
    namespace: str


@dataclass(frozen=True, slots=True)
class SetVariable:
    """`SET name = value` / `SET name TO value`; value None is RESET / DEFAULT."""

    name: str
    value: str | None


class TransactionAction(StrEnum):
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SAVEPOINT = "savepoint"
    RELEASE = "release"
    ROLLBACK_TO = "rollback to"
    SET_MODES = "set modes"  # that each transaction has anyway


@dataclass(frozen=True, slots=True)
class TransactionControl:
    action: TransactionAction
    name: str | None = None


# --- jobs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FlushTable:
    """FLUSH TABLE t, or FLUSH ALL [IN namespace] when `table` is None."""

    table: TableRef | None
    in_namespace: str | None = None


@dataclass(frozen=True, slots=True)
class CompactTable:
    table: TableRef


@dataclass(frozen=True, slots=True)
class Scrub:
    """SCRUB TABLE t, or SCRUB ALL when `table` is None."""

    table: TableRef | None


@dataclass(frozen=True, slots=True)
class KillJob:
    job_id: str


@dataclass(frozen=True, slots=True)
class WaitForJob:
    job_id: str


@dataclass(frozen=True, slots=True)
class KillQuery:
    query_id: str


DataChange = Insert | Update | Delete | Merge | Truncate
Definition = (
    CreateTable
    | DropTable
    | AlterTable
    | CreateNamespace
    | AlterNamespace
    | DropNamespace
    | CreateView
    | AlterView
    | DropView
    | CommentOn
)
LiveStatement = Subscribe | KillLiveQuery
SessionStatement = Use | SetVariable | TransactionControl
JobStatement = FlushTable | CompactTable | EvictTable | Scrub | KillJob | WaitForJob | BackupStatement
Answered = Show | Describe | DescribeQuery | CheckStorage | JobStatement
"""Statements that answer with a small table."""
Statement = (
    Query
    | DataChange
    | Definition
    | Answered
    | SessionStatement
    | KillQuery
    | LiveStatement
    | UserStatement
    | ExecuteAs
    | StorageStatement
)
