"""EXECUTE AS USER: one statement with somebody else's rights, never with higher ones, never unseen."""

from __future__ import annotations

from dataclasses import replace

from flight_server.access.grants import Deed, may_act_for
from flight_server.access.principal import Principal
from flight_server.access.rights import Rights
from flight_server.access.sessions import Session
from flight_server.sql.read import read_statement
from flight_server.sql.statements import SetVariable, TransactionControl, Use
from flight_server.sql.user_statements import ExecuteAs
from storage.catalog import Catalog
from storage.errors import NotSupported, PermissionDenied


def acting_session(session: Session, rights: Rights, statement: ExecuteAs, newest: Catalog) -> Session:
    """The session as the other user, in the same transaction. Raises PermissionDenied, NotSupported.

    A user that is not there and one that is out of reach end in the same words.
    """
    rights.require_deed(Deed.ACT_FOR_OTHERS)
    if isinstance(read_statement(statement.sql), ExecuteAs | Use | SetVariable | TransactionControl):
        raise NotSupported(
            "EXECUTE AS is for queries, changes and definitions; set the session up before it, and don't nest it"
        )
    return replace(
        session, principal=acted_for(session.principal, statement.user, newest), acting_for=session.principal
    )


def acted_for(doer: Principal, name: str, newest: Catalog) -> Principal:
    """The user `name` as they are now, if `doer`, with the role of now, may act for them. Raises PermissionDenied."""
    now = newest.users.get(doer.name)
    user = newest.users.get(name)
    if now is None or not now.is_active or user is None or not user.is_active:
        raise _refused(doer, name)
    if not may_act_for(Principal(now.name, now.role), user.role):
        raise _refused(doer, name)
    return Principal(user.name, user.role)


def _refused(doer: Principal, name: str) -> PermissionDenied:
    return PermissionDenied(f"user '{doer.name}' may not execute as '{name}'")
