"""Each mending is taken out in turn, until the questions of its kind find what it kept away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.second_opinion.grammars import KINDS as GRAMMARS
from tests.second_opinion.judging import Ruling
from tests.second_opinion.mended import KINDS
from tests.second_opinion.running import run, until

ROUNDS_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class TakenOut:
    """seed: of the round that found the kind, None if none did; different: how many of its questions."""

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
        tally = run(number, frozenset({kind}), frozenset({kind}), until(0, 1), report=None)
        made += tally.made
        if tally.rulings[Ruling.DIFFERENT]:
            return TakenOut(kind, number, tally.rulings[Ruling.DIFFERENT], made)
    return TakenOut(kind, None, 0, made)
