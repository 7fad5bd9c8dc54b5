"""Sessions opens, bounds and ends what the server remembers of callers between calls.

A session begins with the first call of its token (or, for callers that send Basic each time, of its connection)
and ends by CloseSession, by being idle too long, or to make room for a newer one of a user that has too many; then its
transaction is rolled back and its prepared statements and temporary tables are gone. A closed one can't come back: its
token is refused. One that the server ended begins anew, and its next statement is told what is gone.

No user takes all places: each has a share of them, and some are for administrators alone.
"""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from flight_server.access.principal import Principal
from flight_server.access.sessions.ended_sessions import ClosedSessions, LostSessions, LostState
from flight_server.access.sessions.held_file import IN_TRANSACTION, SETTINGS, HeldFile
from flight_server.access.sessions.session import Session
from storage.catalog.users import Role
from storage.clock import Clock
from storage.clock_trust import ClockTrust
from storage.errors import LimitExceeded, Unauthenticated

STEP_MS_MAX: Final = 60_000  # a clock set ahead by more must not forget which sessions were closed
LOST_SECONDS: Final = 86_400  # for which a session without a token of ours is told what it lost
_ADMINISTRATORS: Final = (Role.DBA, Role.SYSTEM)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """sessions_max:      open at the same time
    per_user_max:         of them, of one user
    administrators_places: of them, for the roles dba and system alone
    """

    sessions_max: int = 10_000
    per_user_max: int = 1000
    administrators_places: int = 100

    def places(self, role: str) -> int:
        """How many may be open when one of this role begins."""
        kept = 0 if role in _ADMINISTRATORS else min(self.administrators_places, self.sessions_max - 1)
        return self.sessions_max - kept


class Sessions:
    """All sessions, by id."""

    def __init__(
        self,
        clock: Clock,
        idle_seconds_max: float,
        on_end: Callable[[Session], None] | None = None,
        limits: SessionLimits | None = None,
        held: HeldFile | None = None,
    ) -> None:
        """held: remembers over a restart who held something; None = nobody does"""
        self._clock = clock
        self._trust = ClockTrust(clock.wall_ms(), clock.monotonic_seconds(), STEP_MS_MAX)
        self._idle_seconds_max = idle_seconds_max
        self._on_end = on_end
        self._limits = limits or SessionLimits()
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._of_user: dict[str, OrderedDict[str, Session]] = {}  # the one used last is last
        self._to_look_at: list[tuple[float, str]] = []  # a heap: (last used then, session id)
        self._held = held
        self._closed = ClosedSessions()
        self._lost = LostSessions()

    def __repr__(self) -> str:
        return f"<Sessions [{len(self._sessions)} open]>"

    def __iter__(self) -> Iterator[Session]:
        """All that are open, for system.sessions."""
        with self._lock:
            return iter(list(self._sessions.values()))

    def enter(self, session_id: str, principal: Principal, expires_ms: int = 0) -> Session:
        """The session for one call, begun if need be; `leave` must follow.

        expires_ms: of the token that names it; 0 = none of ours
        Raises: Unauthenticated (it was closed), LimitExceeded (too many are open).
        """
        displaced = None
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                if self._closed.refuses(session_id, expires_ms):
                    raise Unauthenticated("the session was closed; connect again")
                displaced = self._make_room(principal)
                session = self._begin(session_id, principal, expires_ms)
            session.principal = principal  # with the role of now
            session.calls += 1
            self._used(session)
        if displaced is not None:
            self._end(displaced)
        return session

    def kept_epoch(self, session_id: str) -> int | None:
        """Of an open session, see there."""
        with self._lock:
            session = self._sessions.get(session_id)
        return None if session is None else session.kept_epoch

    def leave(self, session: Session) -> None:
        with self._lock:
            session.calls -= 1
            self._used(session)
            if session.id in self._sessions:
                self._note_flags(session)

    def close(self, session_id: str, token_expires_ms: int) -> None:
        """End it now; its token is refused from here on."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session is not None:
                self._forget(session)
            self._note(session_id, None)
            if token_expires_ms:
                self._closed.add(session_id, token_expires_ms)
        if session is not None:
            self._end(session)

    def is_closed(self, session_id: str, expires_ms: int = 0) -> bool:
        with self._lock:
            return session_id not in self._sessions and self._closed.refuses(session_id, expires_ms)

    def expire_idle(self) -> int:
        """End all that were idle too long; returns how many. To be called now and then."""
        now = self._clock.monotonic_seconds()
        oldest, why = now - self._idle_seconds_max, f"after {self._idle_seconds_max:g} s of idleness"
        with self._lock:
            now_ms = self._trust.look(self._clock.wall_ms(), now)
            idle = [session for session in self._due(oldest) if not self._is_used(session, oldest, now)]
            for session in idle:
                self._forget(session, why)
            self._closed.expire(now_ms)
            self._lost.expire(now_ms)
        for session in idle:
            self._end(session)
        return len(idle)

    def end_idle_transactions(self, idle_seconds_max: float) -> int:
        """Roll back transactions that did something, and nothing for so long; sessions go on. Returns how many."""
        oldest, why = self._clock.monotonic_seconds() - idle_seconds_max, f"after {idle_seconds_max:g} s of idleness"
        holding = [session for session in self if len(session.transactions)]
        ended = [transaction for session in holding for transaction in session.transactions.remove_idle(oldest, why)]
        for transaction in ended:
            transaction.rollback()
        return len(ended)

    def close_all(self) -> None:
        """At shutdown: roll back what is open."""
        with self._lock:
            sessions = list(self._sessions.values())
            for session in sessions:
                self._forget(session)
            if self._held is not None:
                self._held.close()
        for session in sessions:
            self._end(session)

    # --- under the lock ---------------------------------------------------------------------------------------

    def _used(self, session: Session) -> None:
        session.last_used_seconds = self._clock.monotonic_seconds()
        mine = self._of_user.get(session.principal.name)
        if mine is not None and session.id in mine:
            mine.move_to_end(session.id)

    def _make_room(self, principal: Principal) -> Session | None:
        """Of a user that has their share, the session that was idle longest goes; when all places are taken, one of the
        user who has most. Raises LimitExceeded when none of them can go."""
        limits = self._limits
        mine = self._of_user.get(principal.name, OrderedDict())
        if len(mine) >= limits.per_user_max:
            limit = f"user '{principal.name}' has {len(mine)} sessions open (access.sessions_per_user_max)"
        elif len(self._sessions) >= limits.places(principal.role):
            mine = max(self._of_user.values(), key=len)
            limit = f"the server has {len(self._sessions)} sessions open (access.sessions_max)"
        else:
            return None
        goes = next((s for s in mine.values() if s.calls == 0 and not len(s.transactions)), None)
        if goes is None:
            raise LimitExceeded(
                f"{limit}, which is the limit, and each is busy or in a transaction; end some or try again later"
            )
        self._forget(goes, "to make room for a newer one, since its user had too many")
        return goes

    def _begin(self, session_id: str, principal: Principal, expires_ms: int) -> Session:
        session = Session(session_id, principal, started_ms=self._clock.wall_ms(), expires_ms=expires_ms)
        lost = self._lost.take(session_id) or self._before_restart(session_id)
        if lost is not None:
            session.transactions.lose(lost.transactions, f"with its session {lost.why}", unnamed=lost.in_transaction)
            session.lost = _told(lost) if lost.has_settings else None
        self._sessions[session_id] = session
        self._of_user.setdefault(principal.name, OrderedDict())[session_id] = session
        heapq.heappush(self._to_look_at, (self._clock.monotonic_seconds(), session_id))
        if len(self._to_look_at) > 2 * len(self._sessions) + 64:  # too many of sessions that are closed
            self._to_look_at = [(other.last_used_seconds, id_) for id_, other in self._sessions.items()]
            heapq.heapify(self._to_look_at)
        return session

    def _note_flags(self, session: Session) -> None:
        """As `_note`, after each call: nearly always it holds nothing, and the file says so."""
        flags = _flags(session.has_settings, session.transactions.held()[0])
        if self._held is not None and (flags or flags != session.noted_flags):
            session.noted_flags = flags
            self._held.note(session.id, flags, self._clock.wall_ms())

    def _note(self, session_id: str, state: LostState | None) -> None:
        """In the file, for the next run of the server."""
        if self._held is not None:
            flags = 0 if state is None else _flags(state.has_settings, state.in_transaction)
            self._held.note(session_id, flags, self._clock.wall_ms())

    def _before_restart(self, session_id: str) -> LostState | None:
        flags = 0 if self._held is None else self._held.take(session_id)
        if not flags:
            return None
        return LostState("by a restart of the server", bool(flags & SETTINGS), bool(flags & IN_TRANSACTION))

    def _forget(self, session: Session, why: str | None = None) -> None:
        """It is no more; `why`: the server ends it, and who comes again is to be told."""
        del self._sessions[session.id]
        mine = self._of_user[session.principal.name]
        del mine[session.id]
        if not mine:
            del self._of_user[session.principal.name]
        if why is None:
            return
        state = session.state(why)
        self._note(session.id, state)
        if state:
            expires_ms = session.expires_ms or self._clock.wall_ms() + LOST_SECONDS * 1000
            dropped = self._lost.add(session.id, session.principal.name, state, expires_ms)
            if dropped is not None:
                self._closed.add(*dropped)

    def _due(self, oldest_seconds: float) -> Iterator[Session]:
        """Sessions that may have been idle since then. Each call takes time for those, not for all that are open."""
        due: dict[str, Session] = {}
        while self._to_look_at and self._to_look_at[0][0] <= oldest_seconds:
            _, session_id = heapq.heappop(self._to_look_at)
            if session_id in self._sessions:
                due[session_id] = self._sessions[session_id]
        return iter(due.values())

    def _is_used(self, session: Session, oldest_seconds: float, now_seconds: float) -> bool:
        """Whether it goes on; then it is looked at again when it can be idle at the earliest."""
        is_used = session.calls > 0 or session.last_used_seconds > oldest_seconds
        if is_used:
            from_seconds = now_seconds if session.calls > 0 else session.last_used_seconds
            heapq.heappush(self._to_look_at, (from_seconds, session.id))
        return is_used

    # ----------------------------------------------------------------------------------------------------------

    def _end(self, session: Session) -> None:
        session.close_all_prepared()
        for transaction in session.transactions.remove_all():
            transaction.rollback()
        session.temporary.close()
        if self._on_end is not None:
            self._on_end(session)


def _flags(has_settings: bool, in_transaction: bool) -> int:
    return SETTINGS * has_settings | IN_TRANSACTION * in_transaction


def _told(lost: LostState) -> str:
    gone = "its temporary tables and settings are gone"
    if lost.in_transaction:
        gone = f"its transaction was rolled back, and {gone}"
    return f"the session was ended {lost.why}; {gone}: set it up again and go on"
