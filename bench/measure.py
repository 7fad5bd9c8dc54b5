"""Times of two sides, taken in turn in the same run, so that what else the machine does falls on both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Side = Callable[[], float]  # does its work once and returns the seconds that count


@dataclass(frozen=True, slots=True)
class Turns:
    """Seconds of each side in each round. As a sequence: the median of each side."""

    rounds: tuple[tuple[float, ...], ...]

    def __iter__(self) -> Iterator[float]:
        return (statistics.median(seconds) for seconds in zip(*self.rounds, strict=True))

    def __getitem__(self, side: int) -> float:
        return statistics.median(seconds[side] for seconds in self.rounds)

    def times(self, theirs: int = 1) -> tuple[float, ...]:
        """Our time to theirs in each round: what slows a whole round down is in both."""
        return tuple(seconds[0] / seconds[theirs] for seconds in self.rounds)

    def rates(self, theirs: int = 1) -> tuple[float, ...]:
        """Our rate to theirs in each round."""
        return tuple(seconds[theirs] / seconds[0] for seconds in self.rounds)


def summed(turns: Sequence[Turns]) -> Turns:
    """Of several things that were measured for as many rounds: all of them, one after the other."""
    return Turns(
        tuple(tuple(map(sum, zip(*rounds, strict=True))) for rounds in zip(*(t.rounds for t in turns), strict=True))
    )


def in_turn(*sides: Side, rounds: int, warm_rounds: int = 1) -> Turns:
    """Every side once in each round.

    All run `warm_rounds` times for nothing, then `rounds` times each; who goes first changes with each round.
    """
    for _ in range(warm_rounds):
        for side in sides:
            side()
    found = []
    for number in range(rounds):
        order = [(number + place) % len(sides) for place in range(len(sides))]
        seconds = {which: sides[which]() for which in order}
        found.append(tuple(seconds[which] for which in range(len(sides))))
    return Turns(tuple(found))


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
