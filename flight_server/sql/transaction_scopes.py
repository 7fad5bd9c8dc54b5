"""TransactionScopes runs a statement in the session's transaction or in its own, and retries it after a conflict.

A change runs in the session's transaction, or in one of its own that commits at its end; when somebody else
committed first, such a change simply runs again on what is there now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Final, TypeVar

import pyarrow as pa

from flight_server.access.rights import Rights, RightsBook
from flight_server.access.sessions.session import Session
from flight_server.sql.change.change_stage import Changed
from flight_server.sql.context.running_statements import RunningStatement, RunningStatements
from flight_server.sql.context.session_transactions import SessionTransactions
from flight_server.sql.context.statement_context import Services, StatementContext, Virtual
from flight_server.sql.execute_as import acted_for
from flight_server.sql.system.information_schema import information_schema, information_schemas
from flight_server.sql.system.registry import hidden_tables, system_schemas, system_tables
from flight_server.sql.system.sources import Sources
from storage.catalog.names import TableName, quoted
from storage.errors import Conflict, ConstraintViolated, NotSupported
from storage.rowstore.owners import OwnerKey
from storage.state.edits import Committed
from storage.transactions.transaction import Transaction

ATTEMPTS_MAX: Final = 100  # of an autocommit change that others keep beating to it; 20 were once too few for 8 clients
ATTEMPTS_FREE: Final = 2  # after these it runs alone among those that failed too, so one of them gets through
READS_MAX: Final = 5
Change = Callable[[StatementContext], Changed]
T = TypeVar("T")


class TransactionScopes:
    """Makes the `StatementContext` that a statement runs with; safe from any thread."""

    def __init__(self, services: Services, statements: RunningStatements, sources: Sources) -> None:
        self._services = services
        self._statements = statements
        self._sources = sources
        self.transactions = SessionTransactions(services.engine, self.rights)
        self._turn = threading.Lock()
        self._book = RightsBook()

    def tracked(
        self,
        session: Session,
        text: str,
        transaction_id: bytes | None,
        cancelled: Callable[[], bool],
        change: Change,
        *,
        retry: bool = True,
    ) -> Changed:
        running = self._statements.add(session.principal.name, text)

        def stop() -> bool:
            return cancelled() or running.reason is not None

        try:
            change = self.admitted(running, stop, change)
            changed = self.changed(session, transaction_id, stop, change, retry=retry)
        except BaseException as error:
            self._statements.end(running, error)
            raise
        self._statements.end(running, None)
        return changed

    def admitted(self, running: RunningStatement, stop: Callable[[], bool], change: Change) -> Change:
        """`change`, which takes its place among the running statements as soon as it streams."""
        return lambda call: change(replace(call, admit=partial(self._statements.admit, running, stop)))

    def changed(
        self,
        session: Session,
        transaction_id: bytes | None,
        stop: Callable[[], bool],
        change: Change,
        *,
        retry: bool = True,
    ) -> Changed:
        """Run a change in the session's transaction, or in one of its own."""
        joined = self.transactions.joined(session, transaction_id)
        if joined is None:
            return self._autocommit(session, stop, change, retry=retry)
        with joined.lock, joined.in_use() as transaction:
            mark = transaction.mark()
            try:
                return change(replace(self.call(session, transaction, stop), pledges=joined.pledges))
            except BaseException:
                transaction.restore(mark)
                raise

    def _autocommit(self, session: Session, stop: Callable[[], bool], change: Change, *, retry: bool) -> Changed:
        attempts = ATTEMPTS_MAX if retry else 1
        for attempt in range(1, attempts + 1):
            try:
                if attempt <= ATTEMPTS_FREE:
                    return self._committed(session, stop, change, last=attempt == attempts)
                with self._turn:
                    return self._committed(session, stop, change, last=attempt == attempts)
            except Conflict:
                if attempt == attempts or stop():
                    raise
        raise AssertionError("not reached")

    def _committed(self, session: Session, stop: Callable[[], bool], change: Change, *, last: bool) -> Changed:
        transaction = self._services.engine.begin(session.temporary, session.principal.name)
        try:
            call = self.call(session, transaction, stop)
            changed = change(call)
            call.pledges.check(self.rights, lambda: transaction.catalog)  # it may have run for long
            committed = self._commit(session, transaction, last=last)
        finally:
            transaction.rollback()
        return changed.discarded() if committed is not None and committed.discarded else changed

    def _commit(self, session: Session, transaction: Transaction, *, last: bool) -> Committed | None:
        try:
            return transaction.commit(durable=session.durability == "full")
        except ConstraintViolated as error:
            if last:
                raise
            # Somebody took a key since the statement looked. When it looks again it sees that row: an INSERT is
            # refused for good, an upsert or a MERGE updates it.
            raise Conflict(error.message, sqlstate=error.sqlstate) from None

    def reading(
        self,
        session: Session,
        transaction_id: bytes | None,
        stop: Callable[[], bool] | None = None,
        *,
        begins: bool = True,
    ) -> Reading:
        """begins: whether this is a statement with which a transaction begins; a look at what one would do is none"""
        joined = self.transactions.joined(session, transaction_id)
        if joined is None or (joined.begun is None and not begins):
            transaction = self._services.engine.begin(session.temporary)
            return Reading(self.call(session, transaction, stop or _never), transaction.rollback)
        leave = joined.enter()
        try:
            return Reading(self.call(session, joined.transaction, stop or _never), leave)
        except BaseException:
            leave()
            raise

    def read(
        self,
        session: Session,
        transaction_id: bytes | None,
        look: Callable[[StatementContext], T],
        stop: Callable[[], bool] | None = None,
        *,
        begins: bool = True,
    ) -> T:
        """What `look` finds. Once more, outside of a transaction, when rows of the caller's own, that were not in
        memory, changed between its beginning and their being read."""
        joined = self.transactions.joined(session, transaction_id) is not None
        for attempt in range(1, READS_MAX + 1):
            try:
                with self.reading(session, transaction_id, stop, begins=begins) as call:
                    return look(call)
            except Conflict:
                if joined or attempt == READS_MAX:
                    raise
        raise AssertionError("not reached")

    def outside(self, session: Session, transaction_id: bytes | None, what: str, stop: Callable[[], bool]) -> Reading:
        """For a statement that does not end, so that no transaction waits for it. Raises NotSupported."""
        if self.transactions.joined(session, transaction_id) is not None:
            raise NotSupported(f"{what} in a transaction is not supported, since it does not end; COMMIT first")
        return self.reading(session, None, stop)

    def call(self, session: Session, transaction: Transaction, stop: Callable[[], bool]) -> StatementContext:
        rights = self.rights(session)
        return StatementContext(
            self._services, session, transaction, stop, rights, self._owner_key(rights), make_virtual=self._virtual
        )

    def _owner_key(self, rights: Rights) -> OwnerKey:
        name = rights.principal.name
        record = self._services.engine.state.catalog.users.get(name)
        return OwnerKey(name, 0 if record is None else record.created_ms)

    def rights(self, session: Session) -> Rights:
        """By the newest catalog, whatever the session's transaction reads. Raises PermissionDenied."""
        newest = self._services.engine.state.catalog
        if session.acting_for is None:
            return self._book.of(session.principal, newest)
        return self._book.of(acted_for(session.acting_for, session.principal.name, newest), newest)

    def _virtual(self, call: StatementContext) -> Virtual:
        state = replace(call.transaction.state, catalog=call.catalog.with_each_table(call.own))
        tables = system_tables(self._sources, state, call.rights)
        return tables | information_schema(state.catalog, relations(call.rights), partial(schema_of, call))


class Reading:
    """A call that changes nothing; `end` lets go of what it reads."""

    def __init__(self, call: StatementContext, end: Callable[[], None]) -> None:
        self._call = call
        self._end = end

    def __enter__(self) -> StatementContext:
        return self._call

    def __exit__(self, *_: object) -> None:
        self._end()


RELATIONS: Final[Mapping[TableName, pa.Schema]] = MappingProxyType({**system_schemas(), **information_schemas()})
"""All tables that are computed, with their schemas."""


def relations(rights: Rights) -> Mapping[TableName, pa.Schema]:
    """Those of RELATIONS that the caller may know of."""
    return _relations_but(hidden_tables(rights))


@lru_cache
def _relations_but(hidden: frozenset[TableName]) -> Mapping[TableName, pa.Schema]:
    """Made once for each kind of caller: every statement asks."""
    return MappingProxyType({name: schema for name, schema in RELATIONS.items() if name not in hidden})


def schema_of(call: StatementContext, name: TableName) -> pa.Schema:
    """Of a table or view, as `SELECT *` shows it. Raises NotFound."""
    return call.plan(f"SELECT * FROM {quoted(name.namespace)}.{quoted(name.table)}").schema


def _never() -> bool:
    return False
