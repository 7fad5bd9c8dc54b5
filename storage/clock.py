"""Clock passes time in as an argument: nothing in this project asks the system clock directly."""

from __future__ import annotations

import time
from typing import Final, Protocol

DAY_MS: Final = 86_400_000


class Clock(Protocol):
    """Wall time (may jump either way) and monotonic time (never goes back)."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...

    def monotonic_seconds(self) -> float:
        """Seconds since an arbitrary start, never decreasing."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_seconds(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to; for tests and simulations."""

    def __init__(self, wall_ms: int = 1_700_000_000_000) -> None:
        self._wall_ms = wall_ms
        self._monotonic_seconds = 0.0

    def wall_ms(self) -> int:
        return self._wall_ms

    def monotonic_seconds(self) -> float:
        return self._monotonic_seconds

    def advance(self, seconds: float) -> None:
        """Let both clocks run on by `seconds`."""
        self._wall_ms += round(seconds * 1000)
        self._monotonic_seconds += seconds

    def set_wall_ms(self, wall_ms: int) -> None:
        """Let the wall clock jump, as NTP or an operator may; monotonic time is untouched."""
        self._wall_ms = wall_ms
