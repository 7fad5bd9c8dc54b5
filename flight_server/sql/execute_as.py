"""EXECUTE AS USER runs one statement with somebody else's rights, never with higher ones, never unseen.

Rule: lent rights end with the statement. So LENT lists what may be run with them: reads, changes of rows, and
definitions. Users, rights, storages, sessions, transactions, jobs, backups and whatever ends somebody's work are not
in it, whoever asks; nor is a kind of statement that nobody thought of.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, get_args

from flight_server.access.grants import Deed, may_act_for
from flight_server.access.principal import Principal
from flight_server.access.rights import Rights
from flight_server.access.sessions.session import Session
from flight_server.parser.read_text import read_statement
from flight_server.parser.statements.changes import DataChange
from flight_server.parser.statements.definitions import Definition
from flight_server.parser.statements.live import Subscribe
from flight_server.parser.statements.session import Describe, DescribeQuery, Show
from flight_server.parser.statements.statement import Query, Statement
from flight_server.parser.statements.users import ExecuteAs
from storage.catalog.catalog import Catalog
from storage.errors import NotSupported, PermissionDenied

_READS: Final = (Query, Show, Describe, DescribeQuery, Subscribe)
LENT: Final[frozenset[type[Statement]]] = frozenset((*_READS, *get_args(DataChange), *get_args(Definition)))
"""What EXECUTE AS takes."""


def acting_session(session: Session, rights: Rights, statement: ExecuteAs, newest: Catalog) -> Session:
    """The session as the other user, in the same transaction. Raises PermissionDenied, NotSupported.

    A user that is not there and one that is out of reach end in the same words.
    """
    rights.require_deed(Deed.ACT_FOR_OTHERS)
    other = acted_for(session.principal, statement.user, newest)
    if type(read_statement(statement.sql)) not in LENT:
        raise NotSupported(
            "EXECUTE AS takes queries, changes of rows and definitions only: rights that are lent end with the "
            "statement; run this one as yourself, outside of EXECUTE AS"
        )
    return replace(session, principal=other, acting_for=session.principal)


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
