"""Statements that change no rows and no definitions: USE, SET, transactions as SQL, KILL QUERY."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flight_server.access.grants import Deed
from flight_server.access.session_options import set_session_option
from flight_server.access.sessions import Session
from flight_server.sql.audited import event
from flight_server.sql.frames import Frames
from flight_server.sql.running import RunningStatements
from flight_server.sql.statements import KillQuery, SetVariable, TransactionAction, TransactionControl, Use
from storage.audit import AuditRecord
from storage.catalog import Catalog
from storage.errors import NotFound

_SYSTEM_NAMESPACES: Final = ("system", "information_schema")
ControlStatement = Use | SetVariable | TransactionControl | KillQuery


class Control:
    """Safe from any thread."""

    def __init__(
        self,
        frames: Frames,
        statements: RunningStatements,
        catalog: Callable[[Session], Catalog],
        audit: Callable[[AuditRecord], None],
    ) -> None:
        """catalog: what a session may know of; audit: on disk when it returns"""
        self._frames = frames
        self._statements = statements
        self._catalog = catalog
        self._audit = audit

    def run(self, session: Session, statement: ControlStatement, id_: bytes | None) -> None:
        """id_: of the transaction that the call names. Raises NotFound, InvalidRequest, PermissionDenied."""
        match statement:
            case Use(namespace):
                self._set(session, "schema", namespace)
            case SetVariable(name, value):
                self._set(session, name, value)
            case KillQuery(query_id):
                self._kill(session, query_id)
            case TransactionControl(action, name):
                self._transaction(session, action, name or "", id_)

    def _set(self, session: Session, name: str, value: str | None) -> None:
        namespaces = {*self._catalog(session).namespaces, *_SYSTEM_NAMESPACES}
        set_session_option(session, name, value, namespaces)

    def _transaction(self, session: Session, action: TransactionAction, name: str, id_: bytes | None) -> None:
        transactions = self._frames.transactions
        match action:
            case TransactionAction.BEGIN:
                transactions.begin(session)
            case TransactionAction.COMMIT:
                transactions.end(session, id_, commit=True)
            case TransactionAction.ROLLBACK:
                transactions.end(session, id_, commit=False)
            case TransactionAction.SAVEPOINT:
                transactions.begin_savepoint(session, id_, name)
            case TransactionAction.RELEASE:
                transactions.release_savepoint(session, name, id_)
            case TransactionAction.ROLLBACK_TO:
                transactions.roll_back_to(session, name, id_)

    def _kill(self, session: Session, query_id: str) -> None:
        found = self._statements.get(query_id)
        mine = found is not None and found.user == session.principal.name
        if found is None or not (mine or self._frames.rights(session).may_do(Deed.KILL_QUERY_OF_OTHERS)):
            raise NotFound(f"query '{query_id[:64]}' is not running", sqlstate="42704")
        if found.cancel("the statement was killed (KILL QUERY)"):
            self._audit(event(session, "KILL QUERY", f"{found.query_id} of {found.user}", found.text))
