"""DatabaseTime gives commits their dates and stored rows their age, whatever the machine's clock does.

1. A step ahead by more than a day is believed after an hour (`clock_trust`). Until then commits are dated as if the
   clock had gone on; so a clock that is wrong for less leaves nothing behind.
2. Dates never fall. While the clock is behind the newest commit they go on from there: at half the pace, so that the
   clock catches up, or, if that would take more than a day, at the full one, so that intervals stay what they are.
3. What can't be taken back goes by `settled`: there an hour is asked for each step of more than a minute, and at the
   start for each clock more than an hour ahead of the newest commit, which may be right after a long rest.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import structlog

from storage.clock import DAY_MS, Clock
from storage.clock_trust import ClockTrust
from storage.seq import COMMIT_MS_END, ms_of, written_time

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
PLAUSIBLE_FROM_MS: Final = 1_767_225_600_000  # 2026-01-01: this server is not older, so an earlier clock is not set yet

log = structlog.get_logger("clock")


@dataclass(frozen=True, slots=True)
class Now:
    """clock_ms:    what the machine's clock says
    wall_ms:     what of it is believed
    database_ms: the date of the next commit; later than `wall_ms` after a clock that was ahead
    """

    clock_ms: int
    wall_ms: int
    database_ms: int

    @staticmethod
    def at(ms: int) -> Now:
        """By a clock that is right."""
        return Now(ms, ms, ms)

    def ageing(self, dated_ms: int | None) -> int:
        """The time that tells the age of what has this date (None: of nothing).

        Where dates are far ahead of the clock, what is dated before it was dated by a right one, and what is dated
        after it by the database's own time.
        """
        if self.database_ms - self.wall_ms <= DAY_MS or (dated_ms is not None and dated_ms > self.wall_ms):
            return self.database_ms
        return self.wall_ms

    def ageing_seq(self, seq: int | None) -> int:
        """As `ageing`, by `_seq`."""
        return self.ageing(None if seq is None else ms_of(seq))


class SettledClock:
    """The wall clock, for what can't be taken back."""

    def __init__(self, time: DatabaseTime, clock: Clock) -> None:
        self._time = time
        self._clock = clock

    def wall_ms(self) -> int:
        return self._time.settled().wall_ms

    def monotonic_seconds(self) -> float:
        return self._clock.monotonic_seconds()


class DatabaseTime:
    """Safe from any thread."""

    def __init__(self, clock: Clock, newest_ms: int) -> None:
        """newest_ms: the first millisecond after the newest commit; 0 = there is none"""
        clock_ms, seconds = clock.wall_ms(), clock.monotonic_seconds()
        started_ms = clock_ms if clock_ms < COMMIT_MS_END else newest_ms
        known_ms = min(started_ms, newest_ms) if newest_ms and started_ms > newest_ms + HOUR_MS else started_ms
        self._clock = clock
        self._lock = threading.Lock()
        self._wall = ClockTrust(started_ms, seconds, DAY_MS)
        self._settled = ClockTrust(known_ms, seconds, MINUTE_MS)
        self._database_ms = float(newest_ms)
        self._seconds = seconds

    def now(self) -> Now:
        """For dates, and for what can be looked at again."""
        return self.both()[0]

    def settled(self) -> Now:
        """For what can't be taken back: never later than `now`."""
        return self.both()[1]

    def both(self) -> tuple[Now, Now]:
        """(now, settled) of one moment."""
        with self._lock:
            clock_ms, seconds = self._clock.wall_ms(), self._clock.monotonic_seconds()
            said_ms = clock_ms if clock_ms < COMMIT_MS_END else None
            had_step = self._wall.step is not None
            wall_ms = self._wall.look(said_ms, seconds, is_known_wrong=self._is_known_wrong())
            step = None if had_step else self._wall.step
            settled_ms = min(self._settled.look(said_ms, seconds), wall_ms)
            database_ms = self._dated(wall_ms, seconds)
        if step is not None:
            log.warning("clock_not_believed_yet", says=written_time(clock_ms), ahead_seconds=step.ahead_ms // 1000)
        now = Now(clock_ms, wall_ms, database_ms)
        return now, Now(clock_ms, settled_ms, database_ms - (wall_ms - settled_ms))

    def _is_known_wrong(self) -> bool:
        believed_ms = self._wall.ms
        return believed_ms < PLAUSIBLE_FROM_MS or believed_ms < self._database_ms - DAY_MS

    def _dated(self, wall_ms: int, seconds: float) -> int:
        passed_ms = max(seconds - self._seconds, 0.0) * 1000
        pace = 1.0 if self._database_ms - wall_ms > DAY_MS else 0.5
        self._database_ms = max(float(wall_ms), self._database_ms + passed_ms * pace)
        self._seconds = max(seconds, self._seconds)
        return int(self._database_ms)
