"""Places to hash a password in, and the line before them. Hashing is made to be slow, so that this is where a flood of
log-ins stands still: who waits is bounded, and who is known comes first.

Rule 1: at most `waiting_max` wait; one more is refused at once, unless it takes the place of one that ranks lower.
Rule 2: those who come from this machine have a place to hash and a place in the line that nobody else takes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from storage.errors import TOO_MANY, LimitExceeded

WAITING_MAX: Final = 16


class Rank(IntEnum):
    """Whose log-in it is: the lowest comes first."""

    LATELY = 0  # the name logged in a short while ago
    KNOWN = 1
    UNKNOWN = 2


@dataclass(slots=True, eq=False)
class _Waiting:
    rank: Rank
    number: int
    is_local: bool
    has_place: bool = False
    called: threading.Event = field(default_factory=threading.Event)


class HashQueue:
    """Safe from any thread."""

    def __init__(self, places: int, waiting_max: int = WAITING_MAX) -> None:
        """places: for all; there is one more for this machine"""
        self._places = places
        self._waiting_max = waiting_max
        self._lock = threading.Lock()
        self._taken = 0
        self._line: list[_Waiting] = []
        self._numbers = 0
        self.refused = 0

    def __repr__(self) -> str:
        return f"<HashQueue [{self._taken} taken, {len(self._line)} waiting]>"

    @property
    def waiting(self) -> int:
        return len(self._line)

    @contextmanager
    def place(self, rank: Rank, *, is_local: bool) -> Iterator[None]:
        """Wait for one and have it. Raises LimitExceeded."""
        self._enter(rank, is_local)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, rank: Rank, is_local: bool) -> None:
        with self._lock:
            self._numbers += 1
            waiting = _Waiting(rank, self._numbers, is_local)
            self._check_line(waiting)
            self._line.append(waiting)
            self._call_next()
        waiting.called.wait()
        if not waiting.has_place:
            raise _too_many()

    def _leave(self) -> None:
        with self._lock:
            self._taken -= 1
            self._call_next()

    def _check_line(self, waiting: _Waiting) -> None:
        """Raises LimitExceeded when there is no room in the line, and nobody who would have to make some."""
        if waiting.is_local:
            rivals, room = self._line, self._waiting_max
        else:
            rivals, room = [other for other in self._line if not other.is_local], self._waiting_max - 1
        if len(rivals) < room or self._has_place(waiting.is_local):
            return
        self.refused += 1
        last = max(rivals, key=lambda other: (other.rank, other.number))
        if last.rank <= waiting.rank:
            raise _too_many()
        self._line.remove(last)
        last.called.set()

    def _call_next(self) -> None:
        for waiting in sorted(self._line, key=lambda other: (other.rank, other.number)):
            if self._has_place(waiting.is_local):
                self._line.remove(waiting)
                self._taken += 1
                waiting.has_place = True
                waiting.called.set()

    def _has_place(self, is_local: bool) -> bool:
        return self._taken < self._places + is_local


def _too_many() -> LimitExceeded:
    return LimitExceeded("too many log-ins wait for their password to be checked; try again later", sqlstate=TOO_MANY)
