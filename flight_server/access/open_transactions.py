"""Open transactions of one session: those begun by Flight SQL, by their ids, and the one begun by BEGIN."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final, Protocol

from storage.errors import LimitExceeded

OPEN_MAX: Final = 100  # each may hold a snapshot, and with it files on disk


class OpenTransaction(Protocol):
    """What a session needs of a transaction: to know it, and to end it."""

    @property
    def id(self) -> bytes: ...

    def ends_idle(self, oldest_seconds: float) -> bool:
        """Whether it did something, and nothing since that moment; one that did nothing holds nothing. If so, no
        statement can begin in it any more."""

    def rollback(self) -> None: ...


class OpenTransactions:
    """Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[bytes, OpenTransaction] = {}
        self._by_statement: bytes | None = None
        self.is_lost = False  # the one begun by BEGIN was ended by the server; the client does not know it

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[OpenTransaction]:
        with self._lock:
            return iter(list(self._by_id.values()))

    def add(self, opened: OpenTransaction, *, by_statement: bool) -> None:
        """Raises LimitExceeded."""
        with self._lock:
            if len(self._by_id) >= OPEN_MAX:
                raise LimitExceeded(
                    f"the session has {OPEN_MAX} transactions open, which is the limit; end some", sqlstate="53300"
                )
            self._by_id[opened.id] = opened
            if by_statement:
                self._by_statement, self.is_lost = opened.id, False

    def get(self, id_: bytes) -> OpenTransaction | None:
        with self._lock:
            return self._by_id.get(id_)

    def implied(self) -> OpenTransaction | None:
        """What a statement without an id means: the one begun by BEGIN, else the only one that there is."""
        with self._lock:
            if self._by_statement is not None:
                return self._by_id[self._by_statement]
            return next(iter(self._by_id.values())) if len(self._by_id) == 1 else None

    def remove(self, ended: OpenTransaction) -> None:
        with self._lock:
            self._forget(ended)

    def remove_idle(self, oldest_seconds: float) -> list[OpenTransaction]:
        """Those that did nothing since then; they are to be rolled back."""
        with self._lock:
            idle = [opened for opened in self._by_id.values() if opened.ends_idle(oldest_seconds)]
            for opened in idle:
                self.is_lost = self.is_lost or opened.id == self._by_statement
                self._forget(opened)
        return idle

    def remove_all(self) -> list[OpenTransaction]:
        with self._lock:
            found = list(self._by_id.values())
            self._by_id.clear()
            self._by_statement = None
        return found

    def _forget(self, ended: OpenTransaction) -> None:
        self._by_id.pop(ended.id, None)
        if self._by_statement == ended.id:
            self._by_statement = None
