"""Permissions are what each kind of statement needs; they are asked before it does anything.

Names that a statement reads are checked where they are looked up (query/scan/catalog.py); here is the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from flight_server.access.grants import Action
from flight_server.parser.statements.changes import DataChange, Delete, Insert, Merge, Truncate, Update
from flight_server.parser.statements.definitions import AlterTable, CommentOn, CreateTable, DropTable
from flight_server.parser.statements.users import AlterUser
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.definitions import is_temporary
from storage.catalog.users import Privilege

_MERGED: Final = {"update": Privilege.UPDATE, "delete": Privilege.DELETE, "insert": Privilege.INSERT}


def by_name(context: StatementContext, statement: object) -> None:
    """Of a statement about what is the caller's own, or whose names are checked where they are looked up."""


def _always(context: StatementContext, statement: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Needs:
    """A check by role. where: of which statements of the kind; the others are about what is the caller's own."""

    action: Action
    where: Callable[[StatementContext, Any], bool] = _always

    def __call__(self, context: StatementContext, statement: object) -> None:
        """Raises PermissionDenied."""
        if self.where(context, statement):
            context.require_action(self.action)


def check_change(context: StatementContext, change: DataChange) -> None:
    """Raises PermissionDenied; NotFound for a table that the caller may not know of."""
    name = context.name(change.table)
    context.table(change.table)
    for privilege in sorted(needed(change)):
        context.require(privilege, name)


def makes_lasting(context: StatementContext, statement: CreateTable) -> bool:
    """Whether the table is no temporary one, which is the session's own."""
    return not is_temporary(statement)


def is_of_lasting(context: StatementContext, statement: DropTable | AlterTable | CommentOn) -> bool:
    """Whether the table is no temporary one."""
    return not context.name(statement.table).is_temporary


def is_of_other(context: StatementContext, statement: AlterUser) -> bool:
    """Everybody may change their own password and address, nobody their own role or storage. Who acts for somebody is
    not them."""
    session = context.session
    is_self = session.acting_for is None and statement.name == session.principal.name
    return not (is_self and statement.role is None and not statement.moves)


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
