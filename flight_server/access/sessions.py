"""Sessions: what the server remembers of a caller between calls.

A session begins with the first call of its token (or, for callers that send Basic each time, of its connection)
and ends by CloseSession or by being idle too long; then its transaction is rolled back and its prepared
statements and temporary tables are gone. A closed one can't come back: its token is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import pyarrow as pa

from flight_server.access.open_transactions import OpenTransactions
from flight_server.access.principal import Principal
from storage.clock import Clock
from storage.clock_trust import ClockTrust
from storage.errors import LimitExceeded, Unauthenticated
from storage.names import DEFAULT_NAMESPACE
from storage.temporary import TemporaryTables

SESSIONS_MAX: Final = 10_000
STEP_MS_MAX: Final = 60_000  # a clock set ahead by more must not forget which sessions were closed


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """A text that was described once. `bound` is replaced by each bind; None when nothing is bound.

    parameters: what the statement asks for, whatever the client was told
    """

    sql: str
    transaction_id: bytes | None
    is_update: bool
    dataset_schema: pa.Schema
    parameters: pa.Schema
    bound: pa.RecordBatch | None = None


@dataclass(slots=True, eq=False)
class Session:
    """One caller's state. Calls of one session may run at the same time: change it under `lock`.

    durability:                "full" (a commit waits for the disk) or "relaxed"
    compression:               of results on their way to the client: "none", "lz4" or "zstd"
    statement_timeout_seconds: 0 means the server's own limit
    transactions:              those open by BEGIN or BeginTransaction
    temporary:                 tables that live as long as the session
    calls:                     running now; a session with calls is not idle
    acting_for:                who logged in, when `principal` is the user of EXECUTE AS
    kept_epoch:                the user's token epoch that this session itself brought about, by a new password
    exact_types:               results come as they were loaded, see metadata/plain.py
    asked_schema:              by the header of its calls, whatever it has set since
    """

    id: str
    principal: Principal
    namespace: str = DEFAULT_NAMESPACE
    time_zone: str = "+00:00"
    durability: str = "full"
    compression: str = "none"
    exact_types: bool = False
    statement_timeout_seconds: float = 0.0
    transactions: OpenTransactions = field(default_factory=OpenTransactions)
    prepared: dict[bytes, PreparedStatement] = field(default_factory=dict)
    temporary: TemporaryTables = field(default_factory=TemporaryTables)
    lock: threading.RLock = field(default_factory=threading.RLock)
    started_ms: int = 0
    last_used_seconds: float = 0.0
    calls: int = 0
    acting_for: Principal | None = None
    kept_epoch: int | None = None
    asked_schema: str | None = None

    def __repr__(self) -> str:
        counts = f"{self.calls} calls, {len(self.prepared)} prepared, {len(self.transactions)} transactions"
        return f"<Session {self.principal.name} [{counts}]>"

    def add_prepared(self, id_: bytes, statement: PreparedStatement, statements_max: int) -> None:
        """Raises LimitExceeded."""
        with self.lock:
            if len(self.prepared) >= statements_max:
                raise LimitExceeded(
                    f"the session has {statements_max} prepared statements open, which is the limit; close some"
                )
            self.prepared[id_] = statement

    def bind(self, id_: bytes, bound: pa.RecordBatch | None) -> None:
        """Keep parameters for the next run; a statement that was closed meanwhile stays closed."""
        with self.lock:
            if id_ in self.prepared:
                self.prepared[id_] = replace(self.prepared[id_], bound=bound)


class Sessions:
    """All sessions, by id."""

    def __init__(
        self,
        clock: Clock,
        idle_seconds_max: float,
        on_end: Callable[[Session], None] | None = None,
    ) -> None:
        self._clock = clock
        self._trust = ClockTrust(clock.wall_ms(), clock.monotonic_seconds(), STEP_MS_MAX)
        self._idle_seconds_max = idle_seconds_max
        self._on_end = on_end
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._closed: dict[str, int] = {}  # session id -> when its token expires anyway, wall ms

    def __repr__(self) -> str:
        return f"<Sessions [{len(self._sessions)} open]>"

    def __iter__(self) -> Iterator[Session]:
        """All that are open, for system.sessions."""
        with self._lock:
            return iter(list(self._sessions.values()))

    def enter(self, session_id: str, principal: Principal) -> Session:
        """The session for one call, begun if need be; `leave` must follow.

        Raises: Unauthenticated (it was closed), LimitExceeded (too many are open).
        """
        with self._lock:
            if session_id in self._closed:
                raise Unauthenticated("the session was closed; connect again")
            session = self._sessions.get(session_id)
            if session is None:
                session = self._begin(session_id, principal)
            session.principal = principal  # with the role of now
            session.calls += 1
            session.last_used_seconds = self._clock.monotonic_seconds()
            return session

    def kept_epoch(self, session_id: str) -> int | None:
        """Of an open session, see there."""
        with self._lock:
            session = self._sessions.get(session_id)
        return None if session is None else session.kept_epoch

    def leave(self, session: Session) -> None:
        with self._lock:
            session.calls -= 1
            session.last_used_seconds = self._clock.monotonic_seconds()

    def close(self, session_id: str, token_expires_ms: int) -> None:
        """End it now; its token is refused from here on."""
        with self._lock:
            session = self._sessions.pop(session_id, None)
            if token_expires_ms:
                self._closed[session_id] = token_expires_ms
        if session is not None:
            self._end(session)

    def is_closed(self, session_id: str) -> bool:
        with self._lock:
            return session_id in self._closed

    def expire_idle(self) -> int:
        """End all that were idle too long; returns how many. To be called now and then."""
        oldest = self._clock.monotonic_seconds() - self._idle_seconds_max
        with self._lock:
            now_ms = self._trust.look(self._clock.wall_ms(), self._clock.monotonic_seconds())
            idle = [s for s in self._sessions.values() if s.calls == 0 and s.last_used_seconds <= oldest]
            for session in idle:
                del self._sessions[session.id]
            self._closed = {id_: until for id_, until in self._closed.items() if until > now_ms}
        for session in idle:
            self._end(session)
        return len(idle)

    def end_idle_transactions(self, idle_seconds_max: float) -> int:
        """Roll back transactions that did something, and nothing for so long; sessions go on. Returns how many."""
        oldest = self._clock.monotonic_seconds() - idle_seconds_max
        ended = [transaction for session in self for transaction in session.transactions.remove_idle(oldest)]
        for transaction in ended:
            transaction.rollback()
        return len(ended)

    def close_all(self) -> None:
        """At shutdown: roll back what is open."""
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            self._end(session)

    def _begin(self, session_id: str, principal: Principal) -> Session:
        if len(self._sessions) >= SESSIONS_MAX:
            raise LimitExceeded(f"the server has {SESSIONS_MAX} sessions open, which is the limit; try again later")
        session = Session(session_id, principal, started_ms=self._clock.wall_ms())
        self._sessions[session_id] = session
        return session

    def _end(self, session: Session) -> None:
        with session.lock:
            session.prepared.clear()
        for transaction in session.transactions.remove_all():
            transaction.rollback()
        session.temporary.close()
        if self._on_end is not None:
            self._on_end(session)
