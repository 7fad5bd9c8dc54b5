"""Requests are what clients can ask for, as values. Everything behind `commands.decode_*` sees only these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

# --- statements ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StatementQuery:
    """SQL text whose rows are wanted. `transaction_id` None means autocommit."""

    sql: str
    transaction_id: bytes | None


@dataclass(frozen=True, slots=True)
class StatementUpdate:
    """SQL text whose row count is wanted; may hold several statements."""

    sql: str
    transaction_id: bytes | None


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """Rows of a prepared statement; with DoPut: the parameters for it."""

    handle: bytes


@dataclass(frozen=True, slots=True)
class PreparedUpdate:
    """Run a prepared statement once per bound row, all of them as one."""

    handle: bytes


class IfMissing(IntEnum):
    """What an ingest does when the table does not exist. The numbers are the protocol's."""

    CREATE = 1
    FAIL = 2


class IfExists(IntEnum):
    """What an ingest does when the table exists. The numbers are the protocol's."""

    FAIL = 1
    APPEND = 2
    REPLACE = 3


@dataclass(frozen=True, slots=True)
class IngestCommand:
    """Rows follow for `table`. `namespace` None means the session's.

    options:    those that nobody here knows
    each_batch: whether every batch is stored and answered by itself; else all of them are stored, or none
    """

    table: str
    namespace: str | None
    catalog: str | None
    temporary: bool
    if_missing: IfMissing
    if_exists: IfExists
    transaction_id: bytes | None
    options: Mapping[str, str]
    each_batch: bool = False


@dataclass(frozen=True, slots=True)
class StatementTicket:
    """The rows of a statement that GetFlightInfo has planned."""

    handle: bytes


# --- metadata. None as a filter means: not given -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GetCatalogs:
    pass


@dataclass(frozen=True, slots=True)
class GetDbSchemas:
    catalog: str | None = None
    namespace_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class GetTables:
    catalog: str | None = None
    namespace_pattern: str | None = None
    table_pattern: str | None = None
    table_types: tuple[str, ...] = ()  # () means all
    include_schema: bool = False


@dataclass(frozen=True, slots=True)
class GetTableTypes:
    pass


@dataclass(frozen=True, slots=True)
class GetPrimaryKeys:
    catalog: str | None
    namespace: str | None
    table: str


@dataclass(frozen=True, slots=True)
class GetForeignKeys:
    """Exported (by the table referred to), imported (by the one referring) or cross-referenced keys (by both)."""

    referred: GetPrimaryKeys | None = None
    referring: GetPrimaryKeys | None = None


@dataclass(frozen=True, slots=True)
class GetSqlInfo:
    ids: tuple[int, ...] = ()  # () means all


@dataclass(frozen=True, slots=True)
class GetXdbcTypeInfo:
    data_type: int | None = None


Metadata = (
    GetCatalogs
    | GetDbSchemas
    | GetTables
    | GetTableTypes
    | GetPrimaryKeys
    | GetForeignKeys
    | GetSqlInfo
    | GetXdbcTypeInfo
)
Command = StatementQuery | StatementUpdate | PreparedQuery | PreparedUpdate | IngestCommand | Metadata

# --- actions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreatePreparedStatement:
    sql: str
    transaction_id: bytes | None


@dataclass(frozen=True, slots=True)
class ClosePreparedStatement:
    handle: bytes


@dataclass(frozen=True, slots=True)
class BeginTransaction:
    pass


@dataclass(frozen=True, slots=True)
class EndTransaction:
    transaction_id: bytes
    commit: bool


@dataclass(frozen=True, slots=True)
class BeginSavepoint:
    transaction_id: bytes
    name: str


@dataclass(frozen=True, slots=True)
class EndSavepoint:
    """`roll_back`: undo what came after it and keep it; else forget it and keep what came after."""

    savepoint_id: bytes
    roll_back: bool


@dataclass(frozen=True, slots=True)
class CancelQuery:
    """Flight SQL's older action: its answer is inside Any."""

    tickets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CancelFlightInfo:
    """Flight's own action: its answer is bare."""

    tickets: tuple[bytes, ...]


OptionValue = str | bool | int | float | tuple[str, ...] | None  # None: back to the default


@dataclass(frozen=True, slots=True)
class SetSessionOptions:
    options: Mapping[str, OptionValue]


@dataclass(frozen=True, slots=True)
class GetSessionOptions:
    pass


@dataclass(frozen=True, slots=True)
class CloseSession:
    pass


ActionRequest = (
    CreatePreparedStatement
    | ClosePreparedStatement
    | BeginTransaction
    | EndTransaction
    | BeginSavepoint
    | EndSavepoint
    | CancelQuery
    | CancelFlightInfo
    | SetSessionOptions
    | GetSessionOptions
    | CloseSession
)


class CancelStatus(IntEnum):
    """The numbers are the protocol's."""

    CANCELLED = 1
    CANCELLING = 2
    NOT_CANCELLABLE = 3


class OptionError(IntEnum):
    """Why a session option was refused. The numbers are the protocol's."""

    INVALID_NAME = 1
    INVALID_VALUE = 2
    ERROR = 3
