"""Statements about the session, and those that show what there is, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flight_server.parser.statements.table_ref import TableRef


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


@dataclass(frozen=True, slots=True)
class KillQuery:
    query_id: str


@dataclass(frozen=True, slots=True)
class DescribeQuery:
    """`DESCRIBE SELECT ..`, `DESCRIBE (query)`."""

    sql: str


SessionStatement = Use | SetVariable | TransactionControl
