"""Calls lists running calls; its watchdog cancels those that nobody waits for any more.

A Flight handler runs on a gRPC thread until it returns, whatever the client does meanwhile; only
`context.is_cancelled()` tells that the client went away or its deadline passed. One thread asks that of every
running call, and also ends statements that ran out of time.

A stream whose reader stands still can't be interrupted either: gRPC's thread waits for room to write into. So once
such a call is cancelled it is over for all here after CUT_OFF_SECONDS, and when its stream has not ended CLOSED_SECONDS
after that, the connection to its client is closed, which ends it.

Rule: a context is valid until its call is completed and not a moment longer, so it is touched only under the
call's lock and never after `finish`. The gate's `call_completed` runs before the context dies and calls it.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from flight_server.access.sessions.session import Session
from flight_server.calls.incoming import Wait
from flight_server.calls.middleware import Passage
from flight_server.calls.peers import close_connection
from flight_server.calls.places import CallPlaces, Place
from flight_server.wire.errors import DETAILS_TRAILER, StatementTimedOut
from storage.clock import Clock
from storage.errors import Cancelled
from storage.failpoints import reach_loop
from storage.loops import attempt, forever

WATCH_SECONDS: Final = 0.02
ASKED_FIRST_AT_LOOK: Final = 2
LOOKS_BETWEEN_MAX: Final = 10  # between two questions to a call's context
REST_SECONDS: Final = 0.1  # while no call runs; calls do not wake the watchdog, that would cost each of them
APART_SECONDS: Final = 1.0  # between two looks at the client of a live query: asking 1,000 takes 0.1 s
HOUSEKEEPING_SECONDS: Final = 1.0
CUT_OFF_SECONDS: Final = 1.0
CLOSED_SECONDS: Final = 10.0  # a reader that is only slow has read the last message by then


class RunningCall:
    """One call under way. `is_cancelled` costs nothing and may be asked from any thread at any time."""

    def __init__(
        self,
        context: Any,
        passage: Passage,
        session: Session,
        begun_seconds: float,
        timeout_seconds: float,
        place: Place,
    ) -> None:
        """timeout_seconds: 0 = none. `goes_on` is set for a call whose stream outlives its handler."""
        self.caller = passage.caller
        self.peer: str = context.peer()
        self.is_over = False  # gRPC's side of it, too
        self.place = place
        self._reads_details = passage.reads_details
        self.binds_milliseconds = passage.binds_milliseconds
        self.session = session
        self.goes_on = False
        self._context = context
        self._begun_seconds = begun_seconds
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._finished = False
        self._looks = 0  # of the watchdog
        self._asked_at_look = ASKED_FIRST_AT_LOOK
        self._looks_between_max = LOOKS_BETWEEN_MAX
        self._reason: Cancelled | None = None
        self._wait: Wait | None = None  # for the client, in the handler's thread
        self._ended_seconds = math.inf  # since when the watchdog sees it cancelled
        self._when_cancelled: list[Callable[[str], None]] = []
        self._when_finished: list[Callable[[], None]] = []
        self.leave_limits: Callable[[], None] = lambda: None  # set by `Calls`

    def set_apart(self) -> None:
        """This call does not end by itself: it counts no more among those that run, and has no timeout. Whoever makes
        such calls limits them."""
        self._timeout_seconds = 0.0
        self._asked_at_look, self._looks_between_max = 0, 1  # looks are rare then
        self.leave_limits()

    def time_from(self, begun_seconds: float) -> None:
        """The time limit counts from then on; infinity: the call rests, until its client asks for more of it."""
        self._begun_seconds = begun_seconds

    @property
    def rests(self) -> bool:
        return self._begun_seconds == math.inf

    def is_cancelled(self) -> bool:
        return self._reason is not None

    @property
    def reason(self) -> Cancelled | None:
        """Why it was cancelled."""
        return self._reason

    def wait(self, wait: Wait | None) -> None:
        """While the handler waits for its client, the watchdog looks at `wait`; None: it no longer does."""
        self._wait = wait

    def raise_if_cancelled(self) -> None:
        """Ask the client's side right now, in the handler's own thread. Raises Cancelled, StatementTimedOut.

        After the last read of an upload this is the only way to know that it was not cut off.
        """
        if not self._finished and self._context.is_cancelled():
            self.cancel(_gone())
        if self._reason is not None:
            raise self._reason

    def when_cancelled(self, stop: Callable[[str], None]) -> None:
        """Have `stop` called with the reason, at once if it is too late already."""
        with self._lock:
            if self._reason is None:
                self._when_cancelled.append(stop)
                return
        stop(str(self._reason))

    def when_finished(self, close: Callable[[], None]) -> None:
        """Have `close` called once, at the end of the call. The last one given runs first."""
        self._when_finished.append(close)

    def explained(self, error: BaseException) -> BaseException:
        """`error`, or why the call was cancelled if `error` is just that coming through."""
        if isinstance(error, Cancelled) and self._reason is not None:
            return self._reason
        return error

    def send_details(self, details: bytes) -> None:
        """Put error details on the answer, if this client reads them."""
        with self._lock:
            if not self._finished and self._reads_details:
                self._context.add_trailer(DETAILS_TRAILER, details)

    def cancel(self, reason: Cancelled) -> None:
        """Stop the statement of this call, from any thread; the first reason counts."""
        with self._lock:
            if self._reason is not None or self._finished:
                return
            self._reason = reason
            stops, self._when_cancelled = self._when_cancelled, []
        for stop in stops:
            attempt("calls", partial(stop, str(reason)))

    def watch(self, now_seconds: float) -> None:
        """Called by the watchdog, again and again."""
        wait = self._wait
        if wait is not None:
            wait.look()
        reason: Cancelled | None = None
        with self._lock:
            if self._finished:
                return
            if self._reason is not None:
                self._ended_seconds = min(self._ended_seconds, now_seconds)
                return
            if self._is_left_alone():
                reason = _gone()
            elif self._timeout_seconds and now_seconds - self._begun_seconds >= self._timeout_seconds:
                reason = _too_long(self._timeout_seconds)
        if reason is not None:
            self.cancel(reason)

    def _is_left_alone(self) -> bool:
        """Whether nobody waits for it any more. Asking the context costs 0.1 ms, in which nothing else of Python runs:
        most calls end before it is worth it, and the longer one runs the less a look more or less matters."""
        self._looks += 1
        if self._looks < self._asked_at_look:
            return False
        self._asked_at_look = self._looks + min(self._looks, self._looks_between_max)
        return bool(self._context.is_cancelled())

    def stands_still(self, now_seconds: float) -> bool:
        """Whether it was cancelled a while ago, and its stream goes on nevertheless."""
        return self.goes_on and now_seconds - self._ended_seconds >= CUT_OFF_SECONDS

    def complete(self) -> None:
        """gRPC has done with it."""
        self.is_over = True
        self.finish()

    def finish(self) -> None:
        """The call is over, for whatever reason. Safe to repeat."""
        with self._lock:
            if self._finished:
                return
            self._finished = True
            self._context = None
        while self._when_finished:  # all of them: each gives something back
            attempt("calls", self._when_finished.pop())


class Calls:
    """All running calls, each in its place, and the thread that watches them."""

    def __init__(
        self,
        clock: Clock,
        places: CallPlaces,
        statement_seconds_max: float,
        housekeeping: Callable[[], None],
        close: Callable[[str], None] = close_connection,
    ) -> None:
        """statement_seconds_max: over which no session's timeout goes; 0 = no limit; close: ends a peer's connection"""
        self._clock = clock
        self._places = places
        self._close = close
        self._cut_off: deque[tuple[RunningCall, float]] = deque()  # with when to close their connections
        self._statement_seconds_max = statement_seconds_max
        self._housekeeping = housekeeping
        self._lock = threading.Lock()
        self._running: set[RunningCall] = set()
        self._apart: set[RunningCall] = set()
        self._to_ask: deque[RunningCall] = deque()  # of those apart
        self._kept_house_seconds = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="frostline-call-watchdog", daemon=True)

    def __repr__(self) -> str:
        return f"<Calls [{len(self._running)} running, {len(self._apart)} apart]>"

    def __len__(self) -> int:
        return len(self._running) + len(self._apart)

    @property
    def at_work(self) -> bool:
        """Whether any of them does more than wait for its client to ask for more."""
        return any(not call.rests for call in self._snapshot())

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the watchdog. Running calls are no longer watched."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def enter(self, context: Any, passage: Passage, session: Session) -> RunningCall:
        """Begin a call; it leaves with its `finish`. Raises LimitExceeded."""
        limits = [seconds for seconds in (session.statement_timeout_seconds, self._statement_seconds_max) if seconds]
        place = self._places.take(passage.caller.principal)
        now = self._clock.monotonic_seconds()
        call = RunningCall(context, passage, session, now, min(limits, default=0.0), place)
        with self._lock:
            self._running.add(call)
        call.when_finished(lambda: self._leave(call))
        call.leave_limits = lambda: self._set_apart(call)
        return call

    def cancel_all(self, reason: str) -> None:
        """At shutdown, when the time to drain is up."""
        for call in self._snapshot():
            call.cancel(Cancelled(reason, sqlstate="57P01"))

    def _set_apart(self, call: RunningCall) -> None:
        with self._lock:
            if call in self._running:
                self._running.discard(call)
                self._apart.add(call)
        call.place.leave()

    def _leave(self, call: RunningCall) -> None:
        with self._lock:
            self._apart.discard(call)
            self._running.discard(call)
        call.place.leave()

    def _cut_off_slow(self, calls: list[RunningCall], now_seconds: float) -> None:
        for call in calls:
            if call.stands_still(now_seconds):
                call.finish()
                self._cut_off.append((call, now_seconds + CLOSED_SECONDS))
        while self._cut_off and (self._cut_off[0][0].is_over or self._cut_off[0][1] <= now_seconds):
            call, _ = self._cut_off.popleft()
            if not call.is_over:
                self._close(call.peer)

    def _snapshot(self) -> list[RunningCall]:
        with self._lock:
            return [*self._running, *self._apart]

    def _to_watch(self) -> list[RunningCall]:
        """All that run, and some of those apart: each comes up once in APART_SECONDS."""
        with self._lock:
            if not self._to_ask:
                self._to_ask.extend(self._apart)
            some = math.ceil(len(self._apart) * WATCH_SECONDS / APART_SECONDS)
            asked = [self._to_ask.popleft() for _ in range(min(some, len(self._to_ask)))]
            return [*self._running, *asked]

    def _watch(self) -> None:
        self._kept_house_seconds = self._clock.monotonic_seconds()
        forever("calls", self._step)

    def _step(self) -> bool:
        """Returns whether to go on."""
        if self._stop.is_set():
            return False
        now = self._clock.monotonic_seconds()
        calls = self._to_watch()
        for call in calls:  # each for itself: one that can't be asked keeps no other from being ended
            attempt("calls", partial(call.watch, now))
        attempt("calls", partial(self._cut_off_slow, calls, now))
        if now - self._kept_house_seconds >= HOUSEKEEPING_SECONDS:
            self._kept_house_seconds = now
            self._housekeeping()
        self._stop.wait(WATCH_SECONDS if len(self) else REST_SECONDS)
        reach_loop("loop.calls")
        return True


def _gone() -> Cancelled:
    return Cancelled("the client cancelled the call, went away or reached its deadline")


def _too_long(seconds: float) -> StatementTimedOut:
    return StatementTimedOut(
        f"the statement ran longer than its timeout of {seconds:g} s; "
        "let it do less, or SET statement_timeout_seconds higher"
    )
