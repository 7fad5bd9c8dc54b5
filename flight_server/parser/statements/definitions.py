"""Statements that define tables, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from flight_server.parser.statements.constraints import (
    AddConstraint,
    ChangeIdentity,
    ConstraintSpec,
    DropConstraint,
    DropRule,
    RenameConstraint,
)
from flight_server.parser.statements.namespaces import AlterNamespace, CreateNamespace, DropNamespace
from flight_server.parser.statements.table_ref import TableRef
from flight_server.parser.statements.views import AlterView, CreateView, DropView
from storage.catalog.schema import Identity, TableKind


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
