"""EXECUTE AS USER runs one statement with somebody else's rights, never with higher ones, never unseen.

Rule: lent rights end with the statement. So only kinds of statements that say so (`is_lent`) may be run with them:
reads, changes of rows, and definitions. Users, rights, storages, sessions, transactions, jobs, backups and whatever
ends somebody's work do not, whoever asks; nor does a kind of statement that nobody thought of.
"""

from __future__ import annotations

from dataclasses import replace

from flight_server.access.grants import Action
from flight_server.access.rights import Rights
from flight_server.access.sessions.session import Session
from flight_server.parser.statements.users import ExecuteAs
from flight_server.sql.scopes.acting_user import acted_for
from flight_server.sql.scopes.statement_run import StatementKind
from storage.catalog.catalog import Catalog
from storage.errors import NotSupported


def acting_session(session: Session, rights: Rights, statement: ExecuteAs, newest: Catalog) -> Session:
    """The session as the other user, in the same transaction. Raises PermissionDenied.

    A user that is not there and one that is out of reach end in the same words.
    """
    rights.require_action(Action.ACT_FOR_OTHERS)
    other = acted_for(session.principal, statement.user, newest)
    return replace(session, principal=other, acting_for=session.principal)


def check_lent(kind: StatementKind | None) -> None:
    """Raises NotSupported for the kind of a statement that is not run with lent rights."""
    if kind is None or not kind.is_lent:
        raise NotSupported(
            "EXECUTE AS takes queries, changes of rows and definitions only: rights that are lent end with the "
            "statement; run this one as yourself, outside of EXECUTE AS"
        )
