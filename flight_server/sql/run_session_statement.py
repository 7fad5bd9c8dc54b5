"""Runs statements about the session, its transaction, and running statements: none of them touches a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flight_server.access.grants import Deed
from flight_server.access.sessions.session import Session
from flight_server.access.sessions.session_options import set_session_option
from flight_server.parser.statements.live import KillLiveQuery
from flight_server.parser.statements.session import KillQuery, SetVariable, TransactionAction, TransactionControl, Use
from flight_server.sql.context.running_statements import RunningStatements
from flight_server.sql.context.session_functions import FACTS, check_fact
from flight_server.sql.define.run_definition import event
from flight_server.sql.live.live_queries import LiveQueries
from flight_server.sql.transaction_scopes import TransactionScopes
from storage.catalog.audit_record import AuditRecord
from storage.catalog.catalog import Catalog
from storage.errors import NotFound

ControlStatement = Use | SetVariable | TransactionControl | KillQuery | KillLiveQuery
_SYSTEM_NAMESPACES: Final = ("system", "information_schema")


class Control:
    """Safe from any thread."""

    def __init__(
        self,
        frames: TransactionScopes,
        statements: RunningStatements,
        live: LiveQueries,
        catalog: Callable[[Session], Catalog],
        audit: Callable[[AuditRecord], None],
    ) -> None:
        """catalog: what exists, as a session may see it; audit: writes a record"""
        self._frames = frames
        self._statements = statements
        self._live = live
        self._catalog = catalog
        self._audit = audit

    def run(self, session: Session, statement: ControlStatement, transaction_id: bytes | None) -> None:
        match statement:
            case Use(namespace):
                self._set(session, "schema", namespace)
            case SetVariable(name, value):
                self._set(session, name, value)
            case KillQuery(query_id):
                self._kill(session, query_id)
            case KillLiveQuery(live_id):
                self._kill_live(session, live_id)
            case TransactionControl(action, name):
                self._transaction(session, action, name or "", transaction_id)

    def _set(self, session: Session, name: str, value: str | None) -> None:
        if name in FACTS:
            check_fact(name, value)
            return
        namespaces = {*self._catalog(session).namespaces, *_SYSTEM_NAMESPACES}
        set_session_option(session, name, value, namespaces)

    def _transaction(self, session: Session, action: TransactionAction, name: str, id_: bytes | None) -> None:
        transactions = self._frames.transactions
        match action:
            case TransactionAction.SET_MODES:
                return
            case TransactionAction.BEGIN:
                transactions.begin_by_statement(session, id_)
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
        if found is None or not self._may_kill(session, found.user):
            raise NotFound(f"query '{query_id[:64]}' is not running", sqlstate="42704")
        if found.cancel("the statement was killed (KILL QUERY)"):
            self._audit(event(session, "KILL QUERY", f"{found.query_id} of {found.user}", found.text))

    def _kill_live(self, session: Session, live_id: str) -> None:
        found = self._live.get(live_id)
        if found is None or not self._may_kill(session, found.reader.user):
            raise NotFound(f"live query '{live_id[:64]}' is not running", sqlstate="42704")
        if self._live.kill(found):
            self._audit(event(session, "KILL LIVE QUERY", f"{found.live_id} of {found.reader.user}", found.reader.text))

    def _may_kill(self, session: Session, user: str) -> bool:
        return user == session.principal.name or self._frames.rights(session).may_do(Deed.KILL_QUERY_OF_OTHERS)
