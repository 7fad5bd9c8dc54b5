"""TransactionScopes opens the transaction of each attempt at a statement: the session's, or one of its own.

A change in a transaction of its own commits at its end. When others committed first, it runs again on what is there
now, and after some attempts alone among those that failed too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Final

from flight_server.access.rights import Rights, RightsBook
from flight_server.access.sessions.session import Session
from flight_server.query.apart import Admit, admitted
from flight_server.sql.context.running_statements import RunningStatement, RunningStatements
from flight_server.sql.context.statement_context import Services, StatementContext, Virtual
from flight_server.sql.interface.request import Request
from flight_server.sql.scopes.acting_user import acted_for
from flight_server.sql.scopes.attempt import Attempt, Opened
from flight_server.sql.scopes.session_transactions import SessionTransaction, SessionTransactions
from storage.catalog.catalog import Catalog
from storage.errors import Conflict, ConstraintViolated, NotSupported
from storage.rowstore.owners import OwnerKey
from storage.state.edits import Committed
from storage.transactions.temporary_tables import with_temporary
from storage.transactions.transaction import Transaction

CHANGES_MAX: Final = 100  # attempts at a change that others keep beating to it; 20 were once too few for 8 clients
CHANGES_FREE: Final = 2  # after these it runs alone among those that failed too, so one of them gets through
READS_MAX: Final = 5  # attempts at a read: rows of the caller's own, not in memory, may change before they are read


class TransactionScopes:
    """Makes the `StatementContext` that a statement runs with; safe from any thread."""

    def __init__(
        self,
        services: Services,
        statements: RunningStatements,
        make_virtual: Callable[[StatementContext], Virtual],
    ) -> None:
        """make_virtual: gives the system tables as a context's caller sees them"""
        self.transactions = SessionTransactions(services.engine, self.rights)
        self._services = services
        self._statements = statements
        self._make_virtual = make_virtual
        self._turn = threading.Lock()
        self._book = RightsBook()

    def changes(self, request: Request, running: RunningStatement, *, repeats: bool = True) -> Iterator[Attempt]:
        """Attempts at a change until one holds: a single one in the session's transaction."""
        joined = self.transactions.joined(request.session, request.transaction_id)
        if joined is not None:
            yield Attempt(lambda: self._within(joined, request, running))
            return
        last = CHANGES_MAX if repeats else 1
        for number in range(1, last + 1):
            open_ = partial(self._alone, request, running, number, is_last=number == last)
            attempt = Attempt(open_, is_last=number == last, is_stopped=running.is_stopped)
            yield attempt
            if attempt.is_done:
                return

    def reads(self, request: Request, stop: Callable[[], bool], *, begins: bool = True) -> Iterator[Attempt]:
        """Attempts at what changes nothing until one holds: a single one in the session's transaction.

        begins: whether a transaction begins with it; a look at what a statement would do is none to begin with
        """
        joined = self.transactions.joined(request.session, request.transaction_id)
        last = READS_MAX if joined is None else 1
        for number in range(1, last + 1):
            attempt = Attempt(partial(self._reading, request, joined, stop, begins=begins), is_last=number == last)
            yield attempt
            if attempt.is_done:
                return

    def outside(self, request: Request, what: str, stop: Callable[[], bool]) -> Attempt:
        """For a statement that does not end, so that no transaction waits for it. Raises NotSupported."""
        if self.transactions.joined(request.session, request.transaction_id) is not None:
            raise NotSupported(f"{what} in a transaction is not supported, since it does not end; COMMIT first")
        return Attempt(lambda: self._reading(request, None, stop))

    def context(
        self, session: Session, transaction: Transaction, stop: Callable[[], bool], admit: Admit = admitted
    ) -> StatementContext:
        """Of a statement that runs for the session's user in a transaction that is open."""
        rights = self.rights(session)
        return StatementContext(
            self._services,
            session,
            transaction,
            stop,
            rights,
            self._owner_key(rights),
            admit=admit,
            make_virtual=self._make_virtual,
        )

    def rights(self, session: Session) -> Rights:
        """By the newest catalog, whatever the session's transaction reads. Raises PermissionDenied."""
        newest = self._services.engine.state.catalog
        if session.acting_for is None:
            return self._book.of(session.principal, newest)
        return self._book.of(acted_for(session.acting_for, session.principal.name, newest), newest)

    def visible_catalog(self, session: Session) -> Catalog:
        """What exists for the session's user, as the session's transaction sees it."""
        joined = self.transactions.implied(session)
        begun = joined.begun if joined is not None else None
        newest = self._services.engine.state
        state = begun.state if begun is not None else with_temporary(newest, session.temporary.state)
        return self.rights(session).visible(state.catalog)

    # --- the scopes -----------------------------------------------------------------------------------------

    def _within(self, joined: SessionTransaction, request: Request, running: RunningStatement) -> Opened:
        """Of a change in the session's transaction: undone by itself if it fails."""
        with ExitStack() as stack:
            stack.enter_context(joined.lock)
            transaction = stack.enter_context(joined.in_use())
            mark = transaction.mark()
            context = self.context(request.session, transaction, running.is_stopped, self._admit(running))
            context = replace(context, commit_rights=joined.commit_rights)
            return Opened(context, stack.pop_all().close, undo=partial(transaction.restore, mark))

    def _alone(self, request: Request, running: RunningStatement, number: int, *, is_last: bool) -> Opened:
        """Of a change in a transaction of its own."""
        session = request.session
        with ExitStack() as stack:
            if number > 1:  # what beat it may still be on its way to the disk, and so be in no snapshot yet
                self._services.engine.committer.between_commits(lambda _: None)
            if number > CHANGES_FREE:
                stack.enter_context(self._turn)
            transaction = self._services.engine.begin(session.temporary, session.principal.name)
            stack.callback(transaction.rollback)
            context = self.context(session, transaction, running.is_stopped, self._admit(running))
            return Opened(context, stack.pop_all().close, commit=partial(self._commit, context, is_last=is_last))

    def _reading(
        self, request: Request, joined: SessionTransaction | None, stop: Callable[[], bool], *, begins: bool = True
    ) -> Opened:
        session = request.session
        with ExitStack() as stack:
            if joined is None or (joined.begun is None and not begins):
                transaction = self._services.engine.begin(session.temporary)
                stack.callback(transaction.rollback)
            else:
                stack.callback(joined.enter())
                transaction = joined.transaction
            return Opened(self.context(session, transaction, stop), stack.pop_all().close)

    def _commit(self, context: StatementContext, *, is_last: bool) -> Committed | None:
        transaction = context.transaction
        context.commit_rights.check(self.rights, lambda: transaction.catalog)  # it may have run for long
        try:
            return transaction.commit(durable=context.session.durability == "full")
        except ConstraintViolated as error:
            if is_last:
                raise
            # Somebody took a key since the statement looked. When it looks again it sees that row: an INSERT is
            # refused for good, an upsert or a MERGE updates it.
            raise Conflict(error.message, sqlstate=error.sqlstate) from None

    def _admit(self, running: RunningStatement) -> Admit:
        return partial(self._statements.admit, running, running.is_stopped)

    def _owner_key(self, rights: Rights) -> OwnerKey:
        name = rights.principal.name
        record = self._services.engine.state.catalog.users.get(name)
        return OwnerKey(name, 0 if record is None else record.created_ms)
