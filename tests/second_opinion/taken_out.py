"""Each mending is taken out in turn, until the questions of its kind find what it kept away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.second_opinion.grammars import KINDS as GRAMMARS
from tests.second_opinion.judging import Ruling
from tests.second_opinion.mended import KINDS
from tests.second_opinion.running import Tally, run, until

ROUNDS_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class TakenOut:
    """seed: of the round that found the kind, None if none; different: its questions answered otherwise or refused."""

    kind: str
    seed: int | None
    different: int
    made: int


def each_taken_out(seed: int) -> Iterator[TakenOut]:
    """For each kind that a grammar asks about."""
    for kind in KINDS:
        if kind in GRAMMARS:
            yield _taken_out(kind, seed)


def _taken_out(kind: str, seed: int) -> TakenOut:
    made = 0
    for number in range(seed, seed + ROUNDS_MAX):
        tally = _round(number, kind, frozenset({kind}))
        made += tally.made
        worse = tally.rulings[Ruling.DIFFERENT]
        if not worse and tally.rulings[Ruling.REFUSED]:  # then it may be kept away an error, and no wrong answer
            refused = _round(number, kind, frozenset()).rulings[Ruling.REFUSED]
            worse = max(0, tally.rulings[Ruling.REFUSED] - refused)
        if worse:
            return TakenOut(kind, number, worse, made)
    return TakenOut(kind, None, 0, made)


def _round(number: int, kind: str, without: frozenset[str]) -> Tally:
    return run(number, frozenset({kind}), without, until(0, 1), report=None)
