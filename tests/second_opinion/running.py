"""Running goes round by round, each with new tables and its own seed, and counts what came of the questions."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.second_opinion.grammars import make_question
from tests.second_opinion.judging import Ruling, judged
from tests.second_opinion.mended import not_cleared
from tests.second_opinion.pieces import Side, text
from tests.second_opinion.questions import Making
from tests.second_opinion.shrinking import Case, Shrinker
from tests.second_opinion.sides import Sides, both_sides
from tests.second_opinion.tables import tables

QUESTIONS_A_ROUND: Final = 60
ROUNDS_A_HOUSE: Final = 25
SHRUNK_MAX: Final = 4  # of a kind and sort; more are counted only
_CONSTANT: Final = re.compile(r"'[^']*'|\b\d+\b|\b[a-d]\.(?=\w)|\bt\d\b")


@dataclass
class Found:
    """A difference that is unlike those before it."""

    seed: int
    case: Case

    def __str__(self) -> str:
        return f"[{self.case.question.kind}] seed {self.seed}, {self.case.verdict.sort}\n{self.case}"


@dataclass
class Tally:
    """What a run came to."""

    made: int = 0
    rulings: Counter[Ruling] = field(default_factory=Counter)
    reasons: Counter[tuple[Ruling, str]] = field(default_factory=Counter)
    different: Counter[tuple[str, str]] = field(default_factory=Counter)  # kind, sort
    made_by_kind: Counter[str] = field(default_factory=Counter)
    found: dict[tuple[str, str, str], Found] = field(default_factory=dict)

    @property
    def comparable(self) -> int:
        return self.made - self.rulings[Ruling.NOT_COMPARABLE]


def run(
    seed: int,
    kinds: frozenset[str],
    without: frozenset[str],
    has_time: Callable[[int], bool],
    report: Callable[[Found], None] | None,
) -> Tally:
    """Rounds with the seeds `seed`, `seed + 1` .. while `has_time(rounds done)`.

    report: is told of each new difference, which takes a while to make small; None: they are counted only
    """
    tally = Tally()
    numbers = _numbers(has_time)
    number = next(numbers, None)
    while number is not None:
        with not_cleared(without), both_sides(without, is_short=number // ROUNDS_A_HOUSE % 2 == 0) as sides:
            for _ in range(ROUNDS_A_HOUSE):
                _round(sides, seed + number, kinds, tally, has_time, report)
                number = next(numbers, None)
                if number is None:
                    break
    return tally


def checked(seed: int, has_time: Callable[[int], bool]) -> Tally:
    """A run of all kinds for a test: prints the seed and fails with what is different."""
    print(f"python -m tests.second_opinion --seed {seed}")
    tally = run(seed, frozenset(), frozenset(), has_time, lambda found: None)
    print(f"{tally.made} made, {tally.comparable} comparable, {tally.rulings[Ruling.EQUAL]} equal in all three states")
    assert not tally.found, "\n\n".join(str(found) for found in tally.found.values())
    assert tally.rulings[Ruling.EQUAL] > tally.made // 2
    return tally


def _numbers(has_time: Callable[[int], bool]) -> Iterator[int]:
    number = 0
    while has_time(number):
        yield number
        number += 1


def _round(
    sides: Sides,
    seed: int,
    kinds: frozenset[str],
    tally: Tally,
    has_time: Callable[[int], bool],
    report: Callable[[Found], None] | None,
) -> None:
    random = Random(seed)
    made = tables(random)
    sides.fill(made)
    for _ in range(QUESTIONS_A_ROUND):
        asked = make_question(Making(random, made), kinds)
        verdict = judged(sides, asked)
        tally.made += 1
        tally.made_by_kind[asked.kind] += 1
        tally.rulings[verdict.ruling] += 1
        if verdict.reason:
            tally.reasons[verdict.ruling, verdict.reason] += 1
        if verdict.ruling is not Ruling.DIFFERENT:
            continue
        key = (asked.kind, verdict.sort)
        tally.different[key] += 1
        if report is None or tally.different[key] > SHRUNK_MAX:
            continue
        case = Shrinker(sides, Case(made, asked, verdict)).smallest()
        sides.fill(made)
        found = Found(seed, case)
        shape = _CONSTANT.sub("..", text(case.question.query, Side.OURS))
        if tally.found.setdefault((*key, shape), found) is found:
            report(found)


def until(minutes: float, rounds: int | None = None) -> Callable[[int], bool]:
    """True for as long as the minutes last; with `rounds`, for so many rounds instead."""
    end_seconds = time.monotonic() + 60 * minutes

    def has_time(done: int) -> bool:
        return done < rounds if rounds is not None else time.monotonic() < end_seconds

    return has_time
