"""OpenTransactions holds those of one session: begun by Flight SQL, by their ids, and the one begun by BEGIN."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from storage.errors import Cancelled, LimitExceeded

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
        self._unnamed: bytes | None = None  # begun by id, but a statement without an id joined it
        self._lost: bytes | None = None  # was joined without an id, and ended by the server; the client is to be told
        self._ended: OrderedDict[bytes, str] = OrderedDict()  # why the server ended those, for who names them
        self._is_over = False  # the session is

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[OpenTransaction]:
        with self._lock:
            return iter(list(self._by_id.values()))

    def add(self, opened: OpenTransaction, *, by_statement: bool) -> None:
        """Raises LimitExceeded; Cancelled when the session ended meanwhile, so that nobody would end this."""
        with self._lock:
            if self._is_over:
                raise Cancelled("the session was closed; no transaction begins in it")
            if len(self._by_id) >= OPEN_MAX:
                raise LimitExceeded(
                    f"the session has {OPEN_MAX} transactions open, which is the limit; end some", sqlstate="53300"
                )
            self._by_id[opened.id] = opened
            if by_statement:
                self._by_statement, self._lost = opened.id, None

    def get(self, id_: bytes) -> OpenTransaction | None:
        with self._lock:
            return self._by_id.get(id_)

    def implied(self) -> OpenTransaction | None:
        """What a statement without an id means: the one begun by BEGIN, else the only one that there is."""
        with self._lock:
            if self._by_statement is not None:
                return self._by_id[self._by_statement]
            return next(iter(self._by_id.values())) if len(self._by_id) == 1 else None

    def join_unnamed(self) -> OpenTransaction | None:
        """As `implied`, for a statement that is going to run in it."""
        found = self.implied()
        if found is not None:
            with self._lock:
                self._unnamed = found.id
        return found

    @property
    def lost(self) -> str | None:
        """Why the transaction that statements without an id ran in was ended by the server; None when it was not, or
        when its end was told."""
        with self._lock:
            return None if self._lost is None else self._ended.get(self._lost, "by the server")

    def why_ended(self, id_: bytes) -> str | None:
        """None when the server did not end it, or so long ago that it is not remembered."""
        with self._lock:
            return self._ended.get(id_)

    def told(self, id_: bytes | None) -> None:
        """The client asked for the end of the transaction; None: of the one that it does not name."""
        with self._lock:
            if id_ is None or id_ == self._lost:
                self._lost = None

    def lose(self, ids: Iterable[bytes], why: str, *, unnamed: bool) -> None:
        """Those of an earlier session of this name, which the server ended. unnamed: statements ran in one of them"""
        with self._lock:
            for id_ in ids:
                self._note_end(id_, why)
            if unnamed:
                self._lost = b""
                self._note_end(b"", why)

    def remove(self, ended: OpenTransaction) -> None:
        with self._lock:
            self._forget(ended)

    def remove_idle(self, oldest_seconds: float, why: str = "by the server") -> list[OpenTransaction]:
        """Those that did nothing since then; they are to be rolled back."""
        with self._lock:
            idle = [opened for opened in self._by_id.values() if opened.ends_idle(oldest_seconds)]
            for opened in idle:
                if opened.id in (self._by_statement, self._unnamed):
                    self._lost = opened.id
                self._note_end(opened.id, why)
                self._forget(opened)
        return idle

    def held(self) -> tuple[bool, tuple[bytes, ...]]:
        """Whether statements without an id run in one, or are still to be told of its end; and the ids of all."""
        with self._lock:
            unnamed = {self._by_statement, self._unnamed} & self._by_id.keys()
            return bool(unnamed) or self._lost is not None, tuple(self._by_id)

    def remove_all(self) -> list[OpenTransaction]:
        """At the session's end; no other begins."""
        with self._lock:
            found = list(self._by_id.values())
            self._by_id.clear()
            self._by_statement = None
            self._is_over = True
        return found

    def _note_end(self, id_: bytes, why: str) -> None:
        self._ended[id_] = why
        self._ended.move_to_end(id_)
        if len(self._ended) > OPEN_MAX:
            oldest = next(id_ for id_ in self._ended if id_ != self._lost)
            del self._ended[oldest]

    def _forget(self, ended: OpenTransaction) -> None:
        self._by_id.pop(ended.id, None)
        if self._by_statement == ended.id:
            self._by_statement = None
        if self._unnamed == ended.id:
            self._unnamed = None
