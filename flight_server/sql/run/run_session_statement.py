"""Runs statements about the session, its transaction, and running statements: none of them touches a row."""

from __future__ import annotations

from typing import Final

from flight_server.access.grants import Action
from flight_server.access.sessions.session import Session
from flight_server.access.sessions.session_options import set_session_option
from flight_server.parser.statements.live import KillLiveQuery
from flight_server.parser.statements.session import KillQuery, SetVariable, TransactionAction, TransactionControl, Use
from flight_server.sql.context.audit_event import audit, event
from flight_server.sql.context.results import CountResult
from flight_server.sql.context.session_functions import FACTS, check_fact
from flight_server.sql.scopes.statement_run import Execution, StatementRun
from flight_server.sql.scopes.transaction_scopes import TransactionScopes
from storage.errors import NotFound

_SYSTEM_NAMESPACES: Final = ("system", "information_schema")


def run_session_statement(execution: Execution, run: StatementRun) -> CountResult:
    """Raises InvalidRequest, NotFound, and what COMMIT raises."""
    match run.statement:
        case Use(namespace):
            _set(execution.scopes, run.session, "schema", namespace)
        case SetVariable(name, value):
            _set(execution.scopes, run.session, name, value)
        case KillQuery(query_id):
            _kill(execution, run.session, query_id)
        case KillLiveQuery(live_id):
            _kill_live(execution, run.session, live_id)
        case TransactionControl(action, name):
            _transaction(execution.scopes, run, action, name or "")
    return CountResult(0, run.running.query_id)


def _set(scopes: TransactionScopes, session: Session, name: str, value: str | None) -> None:
    if name in FACTS:
        check_fact(name, value)
        return
    namespaces = {*scopes.visible_catalog(session).namespaces, *_SYSTEM_NAMESPACES}
    set_session_option(session, name, value, namespaces)


def _transaction(scopes: TransactionScopes, run: StatementRun, action: TransactionAction, name: str) -> None:
    transactions, session, id_ = scopes.transactions, run.session, run.request.transaction_id
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


def _kill(execution: Execution, session: Session, query_id: str) -> None:
    found = execution.statements.get(query_id)
    if found is None or not _may_kill(execution, session, found.user):
        raise NotFound(f"query '{query_id[:64]}' is not running", sqlstate="42704")
    if found.cancel("the statement was killed (KILL QUERY)"):
        what = f"{found.query_id} of {found.user}"
        audit(execution.services.engine, event(session, "KILL QUERY", what, found.text))


def _kill_live(execution: Execution, session: Session, live_id: str) -> None:
    found = execution.live.get(live_id)
    if found is None or not _may_kill(execution, session, found.reader.user):
        raise NotFound(f"live query '{live_id[:64]}' is not running", sqlstate="42704")
    if execution.live.kill(found):
        what = f"{found.live_id} of {found.reader.user}"
        audit(execution.services.engine, event(session, "KILL LIVE QUERY", what, found.reader.text))


def _may_kill(execution: Execution, session: Session, user: str) -> bool:
    return user == session.principal.name or execution.scopes.rights(session).may_do(Action.KILL_QUERY_OF_OTHERS)
