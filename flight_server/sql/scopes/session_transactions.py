"""SessionTransactions opens, joins and ends the transactions of sessions, by BEGIN or by BeginTransaction."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from flight_server.access.rights import Rights
from flight_server.access.sessions.session import Session
from flight_server.parser.statements.session import TransactionAction, TransactionControl
from flight_server.parser.statements.statement import Statement
from flight_server.sql.context.commit_rights import CommitRights
from flight_server.sql.scopes.savepoints import Savepoints
from storage.clock import Clock
from storage.engine import Engine
from storage.errors import FrostlineError, InvalidRequest, NotFound
from storage.transactions.transaction import Transaction

ID_BYTES: Final = 16
_ENDED: Final = "the transaction is not open any more; roll back, and begin a new one"
_ENDED_BY_SERVER: Final = "25P03"  # SQLSTATE


class TransactionState(InvalidRequest):
    """BEGIN inside a transaction, or COMMIT outside of one."""

    sqlstate = "25000"


def ends_transaction(statement: Statement) -> bool:
    """Whether this is what a client sends when a transaction is over for it."""
    ends = (TransactionAction.COMMIT, TransactionAction.ROLLBACK)
    return isinstance(statement, TransactionControl) and statement.action in ends


def _ended_by_server(why: str) -> TransactionState:
    return TransactionState(
        f"the transaction was ended {why}, and nothing of it was stored; ROLLBACK, then begin anew",
        sqlstate=_ENDED_BY_SERVER,
    )


class SessionTransaction:
    """A transaction that has a session. Its snapshot is taken at its first statement, not when it is opened: drivers
    open the next one as soon as one ends, and use it when they need it."""

    def __init__(self, begin: Callable[[], Transaction], clock: Clock) -> None:
        self.id = os.urandom(ID_BYTES)
        self.started_ms = clock.wall_ms()
        self.savepoints = Savepoints()
        self.commit_rights = CommitRights()
        self.lock = threading.RLock()
        self._clock = clock
        self._begin = begin
        self._begun: Transaction | None = None
        self._uses: set[object] = set()
        self._is_over = False  # ended by the server
        self._last_used_seconds = clock.monotonic_seconds()

    @property
    def transaction(self) -> Transaction:
        with self.lock:
            if self._begun is None:
                self._begun = self._begin()
            return self._begun

    @property
    def begun(self) -> Transaction | None:
        """None as long as no statement has run in it."""
        return self._begun

    def enter(self) -> Callable[[], None]:
        """A statement begins to use it, and ends with the call of what is returned; a second call of that does nothing:
        a result that is cancelled ends for its reader, too. Raises NotFound when it was ended meanwhile."""
        use = object()
        with self.lock:
            if self._is_over:
                raise NotFound(_ENDED, sqlstate=_ENDED_BY_SERVER)
            self._uses.add(use)

        def leave() -> None:
            with self.lock:
                self._uses.discard(use)
                self._last_used_seconds = self._clock.monotonic_seconds()

        return leave

    @contextmanager
    def in_use(self) -> Iterator[Transaction]:
        leave = self.enter()
        try:
            yield self.transaction
        finally:
            leave()

    @property
    def idle_seconds(self) -> float:
        """0 while it is in use."""
        return 0.0 if self._uses else self._clock.monotonic_seconds() - self._last_used_seconds

    def ends_idle(self, oldest_seconds: float) -> bool:
        with self.lock:
            is_idle = self._begun is not None and not self._uses and self._last_used_seconds <= oldest_seconds
            self._is_over |= is_idle
            return is_idle

    def commit(self, *, durable: bool) -> None:
        if self._begun is not None:
            self._begun.commit(durable=durable)

    def rollback(self) -> None:
        """End it without a trace."""
        with self.lock:
            self._is_over = True
            if self._begun is not None:
                self._begun.rollback()


class SessionTransactions:
    """Begin, find and end the transactions of sessions."""

    def __init__(self, engine: Engine, rights_of: Callable[[Session], Rights]) -> None:
        """rights_of: the rights of a session's user as they are now"""
        self._engine = engine
        self._rights_of = rights_of

    def begin(self, session: Session) -> bytes:
        """BeginTransaction: one more, which statements name by its id. Raises LimitExceeded."""
        return self._opened(session, by_statement=False)

    def begin_by_statement(self, session: Session, transaction_id: bytes | None) -> None:
        """BEGIN. Raises TransactionState (within a transaction), LimitExceeded."""
        with session.lock:
            if session.transactions.implied() is not None or self.joined(session, transaction_id) is not None:
                raise TransactionState("a transaction is open in this session already; commit or roll it back first")
            self._opened(session, by_statement=True)

    def _opened(self, session: Session, *, by_statement: bool) -> bytes:
        opened = SessionTransaction(
            lambda: self._engine.begin(session.temporary, session.principal.name), self._engine.clock
        )
        session.transactions.add(opened, by_statement=by_statement)
        return opened.id

    def joined(self, session: Session, transaction_id: bytes | None) -> SessionTransaction | None:
        """The transaction that a statement runs in; None = autocommit.

        Raises NotFound (an id that is not open), TransactionState (the server ended what the client thinks it is in).
        """
        transactions = session.transactions
        if not transaction_id and transactions.lost is not None:
            raise _ended_by_server(transactions.lost)
        found = transactions.get(transaction_id) if transaction_id else transactions.join_unnamed()
        if isinstance(found, SessionTransaction):
            return found
        if transaction_id:
            why = transactions.why_ended(transaction_id)
            raise NotFound(_ENDED, sqlstate="25000") if why is None else _ended_by_server(why)
        return None

    def implied(self, session: Session) -> SessionTransaction | None:
        """What a question about the database, that has no id, is asked in."""
        found = session.transactions.implied()
        return found if isinstance(found, SessionTransaction) else None

    def end(self, session: Session, transaction_id: bytes | None, *, commit: bool) -> None:
        """Commit or roll back; the transaction is over either way. To roll back one that is over already is no error.

        Raises Conflict, ConstraintViolated, StorageUnavailable, TransactionState, PermissionDenied and NotFound (a
        right was taken away since).
        """
        found = self._taken(session, transaction_id, commit=commit)
        if found is None:
            return
        with found.lock:
            if commit:
                self._check(found)
                found.commit(durable=session.durability == "full")
            else:
                found.rollback()

    def _taken(self, session: Session, transaction_id: bytes | None, *, commit: bool) -> SessionTransaction | None:
        """Out of the session. Raises TransactionState, NotFound, when there is nothing to commit."""
        with session.lock:
            try:
                found = self.joined(session, transaction_id)
                if found is None and commit:
                    raise TransactionState("no transaction is open; begin one with BEGIN")
            except (NotFound, TransactionState):
                if commit:
                    raise
                found = None
            finally:
                session.transactions.told(transaction_id or None)
            if found is not None:
                session.transactions.remove(found)
            return found

    def _check(self, ending: SessionTransaction) -> None:
        try:
            ending.commit_rights.check(self._rights_of, lambda: ending.transaction.catalog)
        except FrostlineError:
            ending.rollback()
            raise

    def begin_savepoint(self, session: Session, transaction_id: bytes | None, name: str) -> bytes:
        """Mark this moment under a name, which may be used before; returns an id that is not.

        Raises TransactionState (no transaction is open), NotFound (not this one), LimitExceeded.
        """
        opened = self._open(session, transaction_id)
        with opened.lock, opened.in_use() as transaction:
            return opened.savepoints.add(name, transaction.mark())

    def release_savepoint(self, session: Session, key: str | bytes, transaction_id: bytes | None = None) -> None:
        """Forget it, by name or id, and those that came after it. Raises TransactionState, UnknownSavepoint."""
        opened = self._open(session, transaction_id)
        with opened.lock:
            opened.savepoints.release(key)

    def roll_back_to(self, session: Session, key: str | bytes, transaction_id: bytes | None = None) -> None:
        """Undo what came after it; it stays, those that came after it go. Raises as `release_savepoint`."""
        opened = self._open(session, transaction_id)
        with opened.lock, opened.in_use() as transaction:
            transaction.restore(opened.savepoints.back_to(key))

    def _open(self, session: Session, transaction_id: bytes | None) -> SessionTransaction:
        opened = self.joined(session, transaction_id)
        if opened is None:
            raise TransactionState("no transaction is open; begin one with BEGIN", sqlstate="25P01")
        return opened
