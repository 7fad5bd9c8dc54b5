"""Admission limits running queries: so many of one user, so many of all; the others wait in line, for a bounded time.

Only statements that stream are counted. One that is short has ended before it could be counted, and waits for nobody.
A statement holds one place from its first stream to its end, however many streams it opens.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from storage.clock import Clock
from storage.errors import TOO_MANY, Cancelled, LimitExceeded

POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may run, of all and of one user; how long one waits. settings: what these are called, in that order."""

    running_max: int
    running_per_user_max: int
    queue_seconds_max: float
    settings: tuple[str, str] = ("query.running_max", "query.running_per_user_max")


@dataclass(slots=True, eq=False)
class _Waiting:
    user: str
    admitted: threading.Event = field(default_factory=threading.Event)


class Admission:
    """The places and the line for them. Safe from any thread."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._line: list[_Waiting] = []  # first come, first served, but for those whose user has all their places

    def __repr__(self) -> str:
        return f"<Admission [{self.running} running, {len(self._line)} waiting]>"

    @property
    def running(self) -> int:
        return self._running.total()

    @property
    def waiting(self) -> int:
        return len(self._line)

    def enter(self, user: str, cancelled: Callable[[], bool]) -> None:
        """Take a place, waiting for one if need be; `leave` must follow. Raises LimitExceeded, Cancelled."""
        with self._lock:
            if self._has_place(user):
                self._running[user] += 1
                return
            waiting = _Waiting(user)
            self._line.append(waiting)
        try:
            self._wait(waiting, cancelled)
        except BaseException:
            self._give_up(waiting)
            raise

    def leave(self, user: str) -> None:
        """Give the place back, to the first in line that may have it."""
        with self._lock:
            self._running[user] -= 1
            if not self._running[user]:
                del self._running[user]
            for waiting in list(self._line):
                if self._has_place(waiting.user):
                    self._line.remove(waiting)
                    self._running[waiting.user] += 1
                    waiting.admitted.set()

    def _has_place(self, user: str) -> bool:
        limits = self._limits
        return self.running < limits.running_max and self._running[user] < limits.running_per_user_max

    def _wait(self, waiting: _Waiting, cancelled: Callable[[], bool]) -> None:
        deadline = self._clock.monotonic_seconds() + self._limits.queue_seconds_max
        while not waiting.admitted.wait(POLL_SECONDS):
            if cancelled():
                raise Cancelled("the statement was cancelled while it waited for others to end")
            if self._clock.monotonic_seconds() >= deadline:
                raise self._too_many(waiting.user)

    def _give_up(self, waiting: _Waiting) -> None:
        with self._lock:
            was_waiting = waiting in self._line
            if was_waiting:
                self._line.remove(waiting)
        if not was_waiting:  # admitted in this very moment
            self.leave(waiting.user)

    def _too_many(self, user: str) -> LimitExceeded:
        limits = self._limits
        waited = f"the statement waited {limits.queue_seconds_max:g} s (query.queue_seconds_max)"
        if self._running[user] >= limits.running_per_user_max:
            limit = f"{limits.running_per_user_max} of user '{user}' ({limits.settings[1]})"
        else:
            limit = f"{limits.running_max} ({limits.settings[0]})"
        return LimitExceeded(
            f"{waited} while as many others ran as may: {limit}; end some of them or try again later", sqlstate=TOO_MANY
        )
