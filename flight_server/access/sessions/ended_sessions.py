"""ClosedSessions and LostSessions know which sessions may not come back, and what those that may have lost.

Rule 1: whoever comes with the name of a session that the server ended is told, once, what is gone.
Rule 2: nothing is kept by time alone. Both kinds are bounded in number; what has no room any more is refused instead of
forgotten: the token that names it has to log in again, which tells it, too.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

CLOSED_MAX: Final = 100_000
LOST_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class LostState:
    """What a session held when the server ended it.

    why:            as in "the session was ended .."
    has_settings:   options, a namespace or temporary tables
    in_transaction: one that statements joined without naming it
    transactions:   ids of all that were open
    """

    why: str
    has_settings: bool
    in_transaction: bool
    transactions: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return self.has_settings or self.in_transaction or bool(self.transactions)


class ClosedSessions:
    """Ids that are refused until their tokens expire anyway. To be used under its owner's lock."""

    def __init__(self, closed_max: int = CLOSED_MAX) -> None:
        self._closed_max = closed_max
        self._ids: set[str] = set()
        self._by_expiry: list[tuple[int, str]] = []
        self._refused_until_ms = 0  # tokens that expire no later are refused, but for sessions that are open

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, session_id: str, expires_ms: int) -> None:
        """One more; when there are too many, the oldest tokens have to log in again, whatever became of them."""
        if session_id in self._ids:
            return
        self._ids.add(session_id)
        heapq.heappush(self._by_expiry, (expires_ms, session_id))
        if len(self._ids) > self._closed_max:
            self._refused_until_ms = max(self._refused_until_ms, self._pop())

    def refuses(self, session_id: str, expires_ms: int) -> bool:
        """Whether one that is not open may not begin. `expires_ms`: of its token; 0 = it has none."""
        return session_id in self._ids or 0 < expires_ms <= self._refused_until_ms

    def expire(self, now_ms: int) -> None:
        while self._by_expiry and self._by_expiry[0][0] <= now_ms:
            self._pop()

    def _pop(self) -> int:
        expires_ms, session_id = heapq.heappop(self._by_expiry)
        self._ids.discard(session_id)
        return expires_ms


@dataclass(frozen=True, slots=True)
class _Lost:
    state: LostState
    user: str
    expires_ms: int


class LostSessions:
    """What was taken from sessions that may come back. To be used under its owner's lock."""

    def __init__(self, lost_max: int = LOST_MAX) -> None:
        self._lost_max = lost_max
        self._all: dict[str, _Lost] = {}
        self._of_user: dict[str, OrderedDict[str, None]] = {}
        self._by_expiry: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._all)

    def add(self, session_id: str, user: str, state: LostState, expires_ms: int) -> tuple[str, int] | None:
        """One more. Returns the id and the expiry of what made room: the oldest of the user with the most."""
        self._take(session_id)
        dropped = None
        if len(self._all) >= self._lost_max:
            greedy = max(self._of_user, key=lambda name: len(self._of_user[name]))
            oldest = next(iter(self._of_user[greedy]))
            dropped = (oldest, self._all[oldest].expires_ms)
            self._take(oldest)
        self._all[session_id] = _Lost(state, user, expires_ms)
        self._of_user.setdefault(user, OrderedDict())[session_id] = None
        heapq.heappush(self._by_expiry, (expires_ms, session_id))
        if len(self._by_expiry) > 2 * self._lost_max:
            self._by_expiry = [(lost.expires_ms, id_) for id_, lost in self._all.items()]
            heapq.heapify(self._by_expiry)
        return dropped

    def take(self, session_id: str) -> LostState | None:
        """What its user is to be told: once."""
        lost = self._take(session_id)
        return None if lost is None else lost.state

    def expire(self, now_ms: int) -> None:
        """Forget those whose token can't come any more."""
        while self._by_expiry and self._by_expiry[0][0] <= now_ms:
            expires_ms, session_id = heapq.heappop(self._by_expiry)
            lost = self._all.get(session_id)
            if lost is not None and lost.expires_ms == expires_ms:
                self._take(session_id)

    def _take(self, session_id: str) -> _Lost | None:
        lost = self._all.pop(session_id, None)
        if lost is not None:
            mine = self._of_user[lost.user]
            del mine[session_id]
            if not mine:
                del self._of_user[lost.user]
        return lost
