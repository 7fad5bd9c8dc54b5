"""Guessing made slow: after some wrong passwords a name is locked for a while, known or not."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from storage.clock import Clock

_NAMES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last_seconds: float


class Lockout:
    """Counts failures by name. A lock lasts `lockout_seconds` from the failure that closed it."""

    def __init__(self, clock: Clock, failures_max: int, lockout_seconds: float) -> None:
        self._clock = clock
        self._failures_max = failures_max
        self._lockout_seconds = lockout_seconds
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def is_locked(self, name: str) -> bool:
        with self._lock:
            return self._count(name) >= self._failures_max

    def failed(self, name: str) -> None:
        """Count one more wrong password."""
        with self._lock:
            count = self._count(name) + 1
            self._failures[name] = _Failures(count, self._clock.monotonic_seconds())
            self._failures.move_to_end(name)
            if len(self._failures) > _NAMES_MAX:
                self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        with self._lock:
            self._failures.pop(name, None)

    def _count(self, name: str) -> int:
        """Failures that still count: those of a quiet name are forgotten."""
        found = self._failures.get(name)
        if found is None or self._clock.monotonic_seconds() - found.last_seconds >= self._lockout_seconds:
            return 0
        return found.count
