"""RunningStatements lists statements that run or ran lately, for KILL QUERY, CancelFlightInfo and `system.queries`."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from flight_server.parser.text.redaction import without_secrets
from flight_server.sql.context.admission import Admission
from flight_server.sql.interface.request import never
from storage.clock import Clock
from storage.errors import Cancelled, FrostlineError
from storage.histograms import DurationHistograms

KEPT_MAX: Final = 200
DURATION_BOUNDS_SECONDS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0)
TEXT_CHARACTERS_MAX: Final = 2000


class RunningState(StrEnum):
    QUEUED = "queued"
    PLANNED = "planned"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True, eq=False)
class RunningStatement:
    """One statement from its arrival to its end.

    stop:      what ends it; called at most once, from any thread
    cancelled: whether its caller went away
    """

    query_id: str
    user: str
    text: str
    started_ms: int
    started_seconds: float
    state: RunningState = RunningState.RUNNING
    rows: int = 0
    bytes: int = 0
    elapsed_ms: int = 0
    reason: str | None = None
    stop: Callable[[FrostlineError], None] | None = None
    cancelled: Callable[[], bool] = never
    places: tuple[Admission, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_live(self) -> bool:
        return self.state in (RunningState.PLANNED, RunningState.QUEUED, RunningState.RUNNING)

    def is_stopped(self) -> bool:
        """Whether it was cancelled, or its caller went away."""
        return self.reason is not None or self.cancelled()

    def cancel(self, reason: str) -> bool:
        """Whether there was something to stop."""
        with self.lock:
            if not self.is_live or self.reason is not None:
                return False
            self.reason = reason
            stop = self.stop
        if stop is not None:
            stop(Cancelled(reason))
        return True


class RunningStatements:
    """All live statements and the last KEPT_MAX that ended."""

    def __init__(self, clock: Clock, admission: Admission, apart: Admission | None = None) -> None:
        """apart: of statements that run in a process of their own; they take a place in both"""
        self.durations = DurationHistograms(DURATION_BOUNDS_SECONDS)  # by how statements ended
        self.admission = admission
        self.apart = apart or admission
        self._clock = clock
        self._lock = threading.Lock()
        self._all: dict[str, RunningStatement] = {}
        self._ended: deque[str] = deque()
        self._prefix = f"{uuid.uuid4().hex[:8]}-"  # ids of an earlier run of the server mean nothing
        self._numbers = itertools.count(1)

    def add(self, user: str, text: str, cancelled: Callable[[], bool] = never) -> RunningStatement:
        """Begin to keep track of a statement."""
        statement = RunningStatement(
            query_id=f"{self._prefix}{next(self._numbers)}",
            user=user,
            text=without_secrets(text)[:TEXT_CHARACTERS_MAX],
            started_ms=self._clock.wall_ms(),
            started_seconds=self._clock.monotonic_seconds(),
            cancelled=cancelled,
        )
        with self._lock:
            self._all[statement.query_id] = statement
        return statement

    @contextmanager
    def listed(self, user: str, text: str, cancelled: Callable[[], bool]) -> Iterator[RunningStatement]:
        """A statement from here to the end of the block, however that ends."""
        running = self.add(user, text, cancelled)
        try:
            yield running
        except BaseException as error:
            self.end(running, error)
            raise
        self.end(running, None)

    def admit(self, statement: RunningStatement, cancelled: Callable[[], bool], apart: bool = False) -> None:
        """Wait until it may stream; once for a statement. Raises LimitExceeded, Cancelled."""
        for admission in dict.fromkeys((self.admission, self.apart) if apart else (self.admission,)):
            if admission not in statement.places:
                self._admit(statement, cancelled, admission)

    def _admit(self, statement: RunningStatement, cancelled: Callable[[], bool], admission: Admission) -> None:
        before, statement.state = statement.state, RunningState.QUEUED
        admission.enter(statement.user, lambda: cancelled() or statement.reason is not None)
        with statement.lock:
            has_place = statement.is_live
            if has_place:
                statement.state = before
                statement.places += (admission,)
        if not has_place:  # it ended while it waited
            admission.leave(statement.user)
            raise Cancelled(statement.reason or "the statement was cancelled")

    def leave_place(self, statement: RunningStatement) -> None:
        """It goes on, but not as one that streams: a live query whose first rows are sent."""
        with statement.lock:
            places, statement.places = statement.places, ()
        for admission in places:
            admission.leave(statement.user)

    def end(self, statement: RunningStatement, error: BaseException | None) -> None:
        """The statement is over; only the first call counts."""
        with statement.lock:
            if not statement.is_live:
                return
            was_cancelled = statement.reason is not None or isinstance(error, Cancelled)
            failed = RunningState.CANCELLED if was_cancelled else RunningState.FAILED
            statement.state = RunningState.FINISHED if error is None else failed
            statement.elapsed_ms = self._elapsed_ms(statement)
            statement.stop = None
            places, statement.places = statement.places, ()
        self.durations.add((str(statement.state),), statement.elapsed_ms / 1000)
        for admission in places:
            admission.leave(statement.user)
        self._keep_ended(statement)

    def cancel(self, query_id: str, reason: str) -> bool:
        with self._lock:
            statement = self._all.get(query_id)
        return statement is not None and statement.cancel(reason)

    def get(self, query_id: str) -> RunningStatement | None:
        with self._lock:
            return self._all.get(query_id)

    def __iter__(self) -> Iterator[RunningStatement]:
        with self._lock:
            statements = list(self._all.values())
        for statement in statements:
            if statement.is_live:
                statement.elapsed_ms = self._elapsed_ms(statement)
            yield statement

    def _elapsed_ms(self, statement: RunningStatement) -> int:
        return int((self._clock.monotonic_seconds() - statement.started_seconds) * 1000)

    def _keep_ended(self, statement: RunningStatement) -> None:
        with self._lock:
            self._ended.append(statement.query_id)
            while len(self._ended) > KEPT_MAX:
                self._all.pop(self._ended.popleft(), None)
