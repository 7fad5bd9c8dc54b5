"""A session's transaction: opened by BEGIN or by Flight SQL's BeginTransaction, joined by every later statement."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

from flight_server.access.rights import Rights
from flight_server.access.sessions import Session
from flight_server.sql.pledges import Pledges
from flight_server.sql.savepoints import Savepoints
from storage.engine import Engine
from storage.errors import FrostlineError, InvalidRequest, NotFound
from storage.transaction import Transaction

ID_BYTES: Final = 16


class TransactionState(InvalidRequest):
    """BEGIN inside a transaction, or COMMIT outside of one."""

    sqlstate = "25000"


class SessionTransaction:
    """What `Session.transaction` holds."""

    def __init__(self, transaction: Transaction, started_ms: int) -> None:
        self.id = os.urandom(ID_BYTES)
        self.transaction = transaction
        self.started_ms = started_ms
        self.savepoints = Savepoints()
        self.pledges = Pledges()
        self.lock = threading.RLock()

    def rollback(self) -> None:
        """End it without a trace."""
        with self.lock:
            self.transaction.rollback()


class SessionTransactions:
    """Begin, find and end the transactions of sessions."""

    def __init__(self, engine: Engine, rights_of: Callable[[Session], Rights]) -> None:
        """rights_of: the rights of a session's user as they are now"""
        self._engine = engine
        self._rights_of = rights_of

    def begin(self, session: Session) -> bytes:
        """Returns the id. Raises TransactionState when one is open."""
        with session.lock:
            if session.transaction is not None:
                raise TransactionState("a transaction is open in this session already; commit or roll it back first")
            opened = SessionTransaction(self._engine.begin(session.temporary), self._engine.clock.wall_ms())
            session.transaction = opened
            return opened.id

    def joined(self, session: Session, transaction_id: bytes | None) -> SessionTransaction | None:
        """The transaction that a statement runs in; None = autocommit. Raises NotFound (an id that is not open)."""
        found = session.transaction
        if transaction_id and (not isinstance(found, SessionTransaction) or found.id != transaction_id):
            raise NotFound("the transaction is not open (any more); begin a new one", sqlstate="25000")
        if not isinstance(found, SessionTransaction):
            return None
        return found

    def end(self, session: Session, transaction_id: bytes | None, *, commit: bool) -> None:
        """Commit or roll back; the transaction is over either way. Raises Conflict, ConstraintViolated,
        StorageUnavailable, TransactionState, PermissionDenied and NotFound (a right was taken away since)."""
        with session.lock:
            found = self.joined(session, transaction_id)
            session.transaction = None
        if found is None:
            raise TransactionState("no transaction is open; begin one with BEGIN")
        with found.lock:
            if commit:
                self._check(found)
                found.transaction.commit(durable=session.durability == "full")
            else:
                found.transaction.rollback()

    def _check(self, ending: SessionTransaction) -> None:
        try:
            ending.pledges.check(self._rights_of, lambda: ending.transaction.state.catalog)
        except FrostlineError:
            ending.transaction.rollback()
            raise

    def begin_savepoint(self, session: Session, transaction_id: bytes | None, name: str) -> bytes:
        """Mark this moment under a name, which may be used before; returns an id that is not.

        Raises TransactionState (no transaction is open), NotFound (not this one), LimitExceeded.
        """
        opened = self._open(session, transaction_id)
        with opened.lock:
            return opened.savepoints.add(name, opened.transaction.mark())

    def release_savepoint(self, session: Session, key: str | bytes, transaction_id: bytes | None = None) -> None:
        """Forget it, by name or id, and those that came after it. Raises TransactionState, UnknownSavepoint."""
        opened = self._open(session, transaction_id)
        with opened.lock:
            opened.savepoints.release(key)

    def roll_back_to(self, session: Session, key: str | bytes, transaction_id: bytes | None = None) -> None:
        """Undo what came after it; it stays, those that came after it go. Raises as `release_savepoint`."""
        opened = self._open(session, transaction_id)
        with opened.lock:
            opened.transaction.restore(opened.savepoints.back_to(key))

    def _open(self, session: Session, transaction_id: bytes | None) -> SessionTransaction:
        opened = self.joined(session, transaction_id)
        if opened is None:
            raise TransactionState("no transaction is open; begin one with BEGIN", sqlstate="25P01")
        return opened
