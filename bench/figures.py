"""What the benchmark finds out: figures, each one line of the table and one entry of the JSON file."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Of(Enum):
    """What a goal limits."""

    RATIO = "x"  # ours / theirs
    OURS = ""  # our own value, in its unit


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit that a figure shall keep: at most (`is_upper`) or at least."""

    limit: float
    is_upper: bool
    of: Of = Of.RATIO

    def __str__(self) -> str:
        return f"{'<=' if self.is_upper else '>='} {self.limit:g}{self.of.value}"

    def holds(self, value: float) -> bool:
        return value <= self.limit if self.is_upper else value >= self.limit


def at_most(limit: float, of: Of = Of.RATIO) -> Goal:
    return Goal(limit, is_upper=True, of=of)


def at_least(limit: float, of: Of = Of.RATIO) -> Goal:
    return Goal(limit, is_upper=False, of=of)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server process used while both sides were measured.

    cpu_seconds:    user and system time of the whole case, its preparation left out
    rss_bytes:      resident at the end; rss_bytes_max: the most there was since the server started
    disk_bytes:     its data directory at the end
    """

    cpu_seconds: float
    rss_bytes: int
    rss_bytes_max: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Point:
    """One bar or one dot of a plot. `theirs` is None where there is no other side."""

    label: str
    ours: float
    theirs: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """Two sides of one thing, both in `unit` (of time or of rate); `theirs` None: nothing to compare with.

    ratios:   ours to theirs in each round, where both were measured in turn: their median is the figure's ratio, since
              what else the machine does falls on both sides of a round
    usage:    of our server; None where the case has none of its own
    points:   what the figure is made of, or how it grows: for the plots
    note:     what a reader must know to read it right
    """

    name: str
    unit: str
    ours: float
    theirs: float | None = None
    goal: Goal | None = None
    ratios: tuple[float, ...] = ()
    usage: Usage | None = None
    points: tuple[Point, ...] = ()
    note: str = ""

    @property
    def ratio(self) -> float | None:
        if self.ratios:
            return statistics.median(self.ratios)
        return None if self.theirs is None else self.ours / self.theirs

    @property
    def spread(self) -> str:
        """The lowest and the highest ratio of a round; empty when there are no rounds."""
        return f"{min(self.ratios):.2f}-{max(self.ratios):.2f}" if len(self.ratios) > 1 else ""

    @property
    def holds(self) -> bool | None:
        """None: there is no goal, the figure is only reported."""
        if self.goal is None:
            return None
        value = self.ours if self.goal.of is Of.OURS else self.ratio
        return None if value is None else self.goal.holds(value)

    def record(self) -> dict[str, Any]:
        """As JSON takes it: the seven promised keys first, then what stands beside them."""
        ratio = self.ratio
        found: dict[str, Any] = {
            "name": self.name,
            "ours": _rounded(self.ours),
            "theirs": None if self.theirs is None else _rounded(self.theirs),
            "ratio": None if ratio is None else _rounded(ratio),
            "goal": None if self.goal is None else str(self.goal),
            "holds": self.holds,
            "unit": self.unit,
        }
        if self.ratios:
            found["ratios"] = [_rounded(ratio) for ratio in self.ratios]
        if self.usage is not None:
            found["server"] = {
                "cpu_seconds": round(self.usage.cpu_seconds, 2),
                "rss_mib": self.usage.rss_bytes >> 20,
                "rss_mib_max": self.usage.rss_bytes_max >> 20,
                "disk_mib": round(self.usage.disk_bytes / (1 << 20), 1),
            }
        if self.note:
            found["note"] = self.note
        if self.points:
            found["points"] = [[p.label, _rounded(p.ours), p.theirs and _rounded(p.theirs)] for p in self.points]
        return found


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
