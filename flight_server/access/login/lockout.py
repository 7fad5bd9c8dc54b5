"""Lockout slows guessing: after some wrong passwords a name is locked for a while, known or not.

Rule: an attempt is counted before its password is looked at, and taken back when it was right. So guesses that come
side by side get no more comparisons than those that come one after another: who is over the limit waits for what is
under way.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from storage.clock import Clock
from storage.errors import TOO_MANY, LimitExceeded

_NAMES_MAX: Final = 10_000
WAITING_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last_seconds: float


class Lockout:
    """Counts failures by name, or by whatever stands for one. A lock lasts `lockout_seconds` from the failure that
    closed it."""

    def __init__(self, clock: Clock, failures_max: int, lockout_seconds: float) -> None:
        self._clock = clock
        self._failures_max = failures_max
        self._lockout_seconds = lockout_seconds
        self._changed = threading.Condition()
        self._failures: OrderedDict[Hashable, _Failures] = OrderedDict()
        self._under_way: Counter[Hashable] = Counter()
        self._waiting = 0

    def is_locked(self, name: Hashable) -> bool:
        with self._changed:
            return self._count(name) >= self._failures_max

    def begin(self, name: Hashable) -> bool:
        """Count an attempt; False: it is locked. `failed`, `succeeded` or `withdraw` must follow.

        Raises LimitExceeded when too many wait for the outcome of those under way.
        """
        with self._changed:
            while self._count(name) + self._under_way[name] >= self._failures_max:
                if self._count(name) >= self._failures_max:
                    self._tidy(name)
                    return False
                self._wait()
            self._under_way[name] += 1
            return True

    def failed(self, name: Hashable) -> None:
        """Count one more wrong password."""
        with self._changed:
            self._end(name)
            count = self._count(name) + 1
            self._failures[name] = _Failures(count, self._clock.monotonic_seconds())
            self._failures.move_to_end(name)
            if len(self._failures) > _NAMES_MAX:
                self._failures.popitem(last=False)

    def succeeded(self, name: Hashable) -> None:
        with self._changed:
            self._end(name)
            self._failures.pop(name, None)

    def withdraw(self, name: Hashable) -> None:
        """The password was not looked at."""
        with self._changed:
            self._end(name)

    def _wait(self) -> None:
        if self._waiting >= WAITING_MAX:
            raise LimitExceeded("too many log-ins of this name are under way; try again later", sqlstate=TOO_MANY)
        self._waiting += 1
        try:
            self._changed.wait()
        finally:
            self._waiting -= 1

    def _end(self, name: Hashable) -> None:
        if self._under_way[name] > 0:
            self._under_way[name] -= 1
        self._tidy(name)
        self._changed.notify_all()

    def _tidy(self, name: Hashable) -> None:
        if not self._under_way[name]:
            del self._under_way[name]

    def _count(self, name: Hashable) -> int:
        """Failures that still count: those of a quiet name are forgotten."""
        found = self._failures.get(name)
        if found is None or self._clock.monotonic_seconds() - found.last_seconds >= self._lockout_seconds:
            return 0
        return found.count
