"""Times of two sides, taken in turn in the same run, so that what else the machine does falls on both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

Side = Callable[[], float]  # does its work once and returns the seconds that count


def in_turn(*sides: Side, rounds: int, warm_rounds: int = 1) -> tuple[float, ...]:
    """Median seconds of each side.

    All run `warm_rounds` times for nothing, then `rounds` times each; who goes first changes with each round.
    """
    for _ in range(warm_rounds):
        for side in sides:
            side()
    found: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        for place in range(len(sides)):
            which = (number + place) % len(sides)
            found[which].append(sides[which]())
    return tuple(statistics.median(seconds) for seconds in found)


def alone(side: Side, rounds: int, warm_rounds: int = 1) -> float:
    """Median seconds of what has no other side."""
    for _ in range(warm_rounds):
        side()
    return statistics.median([side() for _ in range(rounds)])


def timed(work: Callable[[], Any]) -> Side:
    """The whole of `work` counts."""

    def side() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return side


def typical(work: Callable[[], Any], calls: int) -> Side:
    """One round = many short calls; their median counts, not their sum."""

    def side() -> float:
        return statistics.median(_each(work, calls))

    return side


def _each(work: Callable[[], Any], calls: int) -> Sequence[float]:
    found = []
    for _ in range(calls):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found
