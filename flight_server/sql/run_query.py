"""Runs SELECT and its kin: planned in a transaction, which stays open for as long as their rows are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flight_server.access.sessions.session import Session
from flight_server.query.engine import Plan
from flight_server.sql.context.results import RowsResult
from flight_server.sql.context.running_statements import RunningStatement, RunningStatements
from flight_server.sql.context.statement_context import Params, Services
from flight_server.sql.point_lookup import scope_of
from flight_server.sql.transaction_scopes import TransactionScopes
from storage.catalog.users import Privilege
from storage.errors import Conflict
from storage.transactions.transaction import Transaction

ATTEMPTS_MAX: Final = 5


class QueryStatements:
    """Starts queries of sessions; safe from any thread."""

    def __init__(self, services: Services, frames: TransactionScopes, statements: RunningStatements) -> None:
        self._services = services
        self._frames = frames
        self._statements = statements

    def start(
        self,
        session: Session,
        sql: str,
        params: Params | None,
        transaction_id: bytes | None,
        running: RunningStatement,
        stop: Callable[[], bool],
    ) -> RowsResult:
        """Plan it; its rows are computed when they are asked for."""
        joined = self._frames.transactions.joined(session, transaction_id)
        if joined is not None:
            release, transaction = joined.enter(), joined.transaction
            try:
                plan = self._planned(session, sql, params, transaction, stop)
            except BaseException:
                release()
                raise
        else:
            transaction, plan = self._planned_alone(session, sql, params, stop)
            release = transaction.rollback
        catalog = transaction.catalog

        def still_allowed() -> None:
            rights = self._frames.rights(session)
            for name in plan.touched.names:
                rights.require(Privilege.SELECT, name, catalog)

        return RowsResult(plan, self._services.queries, self._statements, running, release, still_allowed)

    def _planned_alone(
        self, session: Session, sql: str, params: Params | None, stop: Callable[[], bool]
    ) -> tuple[Transaction, Plan]:
        """In a transaction of its own, which is open on return. Once more when rows of the caller's own, that were not
        in memory, changed between its beginning and their being read."""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            transaction = self._services.engine.begin(session.temporary)
            try:
                return transaction, self._planned(session, sql, params, transaction, stop)
            except BaseException as error:
                transaction.rollback()
                if not isinstance(error, Conflict) or attempt == ATTEMPTS_MAX:
                    raise
        raise AssertionError("not reached")

    def _planned(
        self, session: Session, sql: str, params: Params | None, transaction: Transaction, stop: Callable[[], bool]
    ) -> Plan:
        call = self._frames.call(session, transaction, stop)
        return self._services.queries.plan(sql, scope_of(call, sql, params or {}), params or {})
