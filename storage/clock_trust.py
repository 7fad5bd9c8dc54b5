"""ClockTrust decides whether to believe a clock that was set ahead. Pure: times come in.

A step back is believed at once, as nothing is lost by it. So is a step ahead of up to `step_ms_max`. A longer one is
believed when the clock has been there for CONFIRM_SECONDS of monotonic time; until then time goes on from where it
was, at the pace of the monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CONFIRM_SECONDS: Final = 3600.0
AGREEMENT_MS: Final = 60_000  # by so much two looks may differ and still see the same step


@dataclass(frozen=True, slots=True)
class Step:
    """ahead_ms: of where the clock was expected; since_seconds: by the monotonic clock."""

    ahead_ms: int
    since_seconds: float


class ClockTrust:
    """Follows one clock. Not safe for use from several threads at once."""

    def __init__(self, ms: int, monotonic_seconds: float, step_ms_max: int) -> None:
        """ms: the time that is believed now"""
        self.ms = ms
        self.step: Step | None = None  # one that is not believed yet
        self._seconds = monotonic_seconds
        self._step_ms_max = step_ms_max

    def __repr__(self) -> str:
        return f"<ClockTrust [{self.ms} ms, {self.step or 'no step'}]>"

    def look(self, clock_ms: int | None, monotonic_seconds: float, *, is_known_wrong: bool = False) -> int:
        """The time to go by.

        clock_ms: what the clock says; None = nothing that can be believed
        is_known_wrong: the time believed so far can't be right, so that a step away from it needs no proof
        """
        expected = self.ms + round((monotonic_seconds - self._seconds) * 1000)
        self._seconds = max(self._seconds, monotonic_seconds)
        if clock_ms is None:
            self.ms, self.step = expected, None
        elif is_known_wrong or clock_ms - expected <= self._step_ms_max or self._is_confirmed(clock_ms - expected):
            self.ms, self.step = clock_ms, None
        else:
            self.ms = expected
        return self.ms

    def _is_confirmed(self, ahead_ms: int) -> bool:
        if self.step is None or abs(ahead_ms - self.step.ahead_ms) > AGREEMENT_MS:
            self.step = Step(ahead_ms, self._seconds)
        return self._seconds - self.step.since_seconds >= CONFIRM_SECONDS
