"""DurationHistograms count durations by bounds, for the metrics page."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Histogram:
    """counts: for each bound how many took at most that and more than the bound before; the last: longer than all."""

    bounds_seconds: tuple[float, ...]
    counts: tuple[int, ...]
    seconds: float = 0.0

    def with_one(self, seconds: float) -> Histogram:
        place = bisect_left(self.bounds_seconds, seconds)
        counts = (*self.counts[:place], self.counts[place] + 1, *self.counts[place + 1 :])
        return Histogram(self.bounds_seconds, counts, self.seconds + seconds)


class DurationHistograms:
    """By labels, of which there are few. Safe from any thread."""

    def __init__(self, bounds_seconds: Sequence[float]) -> None:
        """bounds_seconds: rising"""
        self._none = Histogram(tuple(bounds_seconds), (0,) * (len(bounds_seconds) + 1))
        self._lock = threading.Lock()
        self._spreads: dict[tuple[str, ...], Histogram] = {}

    def add(self, labels: tuple[str, ...], seconds: float) -> None:
        with self._lock:
            self._spreads[labels] = self._spreads.get(labels, self._none).with_one(seconds)

    def now(self) -> Mapping[tuple[str, ...], Histogram]:
        """Of one moment."""
        with self._lock:
            return dict(self._spreads)
