"""Permissions say what each kind of statement needs; they are asked before it does anything.

Names that a statement reads are checked where they are looked up (query/scan/catalog.py); here is the rest. A kind of
statement that is not listed is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from flight_server.access.grants import Deed
from flight_server.parser.statements.backups import BackupDatabase, RestoreDatabase, ShowBackup
from flight_server.parser.statements.changes import DataChange, Delete, Insert, Merge, Truncate, Update
from flight_server.parser.statements.definitions import AlterTable, CommentOn, CreateTable, Definition, DropTable
from flight_server.parser.statements.jobs import CompactTable, EvictTable, FlushTable, KillJob, Scrub, WaitForJob
from flight_server.parser.statements.live import KillLiveQuery, Subscribe
from flight_server.parser.statements.session import (
    Describe,
    DescribeQuery,
    KillQuery,
    SetVariable,
    Show,
    TransactionControl,
    Use,
)
from flight_server.parser.statements.statement import Query, Statement
from flight_server.parser.statements.storages import CheckStorage, StorageStatement
from flight_server.parser.statements.users import AlterUser, ExecuteAs, UserStatement
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.definitions import is_temporary
from storage.catalog.users import Privilege
from storage.errors import PermissionDenied

_MERGED = {"update": Privilege.UPDATE, "delete": Privilege.DELETE, "insert": Privilege.INSERT}


def check_statement(call: StatementContext, statement: Statement) -> None:
    """Raises PermissionDenied; NotFound for a table that the caller may not know of."""
    match statement:
        case (
            Query() | Show() | Describe() | DescribeQuery() | Use() | SetVariable() | TransactionControl() | KillQuery()
        ):
            return  # about what is the caller's own, or checked name by name
        case Subscribe() | KillLiveQuery():
            return  # the table is checked by name, the owner when it is found
        case Insert() | Update() | Delete() | Merge() | Truncate():
            _check_change(call, statement)
        case CreateTable() if is_temporary(statement):
            return
        case DropTable() | AlterTable() | CommentOn() if call.name(statement.table).is_temporary:
            return
        case AlterUser() if _is_own(call, statement):
            return
        case _:
            call.require_deed(deed_of(statement))


def deed_of(statement: Statement) -> Deed:
    """Of a statement that is no read and no change of rows. Raises PermissionDenied for one that is not listed."""
    if isinstance(statement, Definition):
        return Deed.DEFINE
    if isinstance(statement, UserStatement):
        return Deed.MANAGE_USERS
    if isinstance(statement, StorageStatement | CheckStorage):
        return Deed.MANAGE_STORAGES
    match statement:
        case FlushTable() | WaitForJob():
            return Deed.FLUSH
        case EvictTable():
            return Deed.EVICT
        case CompactTable() | Scrub():
            return Deed.COMPACT
        case BackupDatabase() | ShowBackup():
            return Deed.BACKUP
        case RestoreDatabase():
            return Deed.RESTORE
        case KillJob():
            return Deed.KILL_JOB
        case ExecuteAs():
            return Deed.ACT_FOR_OTHERS
    raise PermissionDenied("nobody may run this kind of statement")


def needed(change: DataChange) -> frozenset[Privilege]:
    """On the table that is changed. Whatever looks at its rows, and be it to count them, needs SELECT too."""
    return frozenset(_needed(change))


def _needed(change: DataChange) -> Iterator[Privilege]:
    match change:
        case Insert():
            yield Privilege.INSERT
            if change.on_conflict is not None and change.on_conflict.assignments:
                yield from (Privilege.UPDATE, Privilege.SELECT)
            if change.returning_sql is not None:
                yield Privilege.SELECT
        case Update():
            yield from (Privilege.UPDATE, Privilege.SELECT)
        case Delete() | Truncate():
            yield from (Privilege.DELETE, Privilege.SELECT)
        case Merge():
            yield Privilege.SELECT
            yield from (_MERGED[clause.action] for clause in change.clauses if clause.action in _MERGED)


def _check_change(call: StatementContext, change: DataChange) -> None:
    name = call.name(change.table)
    call.table(change.table)
    for privilege in sorted(needed(change)):
        call.require(privilege, name)


def _is_own(call: StatementContext, statement: AlterUser) -> bool:
    """Everybody may change their own password and address, nobody their own role or storage. Who acts for somebody is
    not them."""
    session = call.session
    is_self = session.acting_for is None and statement.name == session.principal.name
    return is_self and statement.role is None and not statement.moves
