"""Judging asks both sides one question and says whether they agree, and if not, in which states they do not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import duckdb
import pyarrow as pa

from storage.errors import FrostlineError
from tests.second_opinion.answers import difference
from tests.second_opinion.dialect import excused
from tests.second_opinion.pieces import Side, text
from tests.second_opinion.questions import Question
from tests.second_opinion.sides import STATES, Sides

ROWS_MAX: Final = 3000  # larger results teach nothing more
REASON_LENGTH: Final = 110
_NAMES: Final = re.compile(r"'[^']*'|\"[^\"]*\"|\b[abcd]\.\w+|\d+")


class Ruling(StrEnum):
    EQUAL = "equal"
    REFUSED = "refused"
    EXCUSED = "excused"
    DIFFERENT = "different"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """reason: of a refusal, an excuse, or why it can't be compared; said: state -> what is wrong there."""

    ruling: Ruling
    reason: str = ""
    said: tuple[tuple[str, str], ...] = ()

    @property
    def sort(self) -> str:
        """Alike for differences of one cause, as far as can be told."""
        heads = {" ".join(said.split()[:2]) if said.startswith("error") else "other rows" for _, said in self.said}
        return " and ".join(sorted(heads))

    def __str__(self) -> str:
        return "\n".join(f"-- {state}: {said}" for state, said in self.said) or f"{self.ruling} {self.reason}"


def judged(sides: Sides, question: Question) -> Verdict:
    try:
        if question.view is not None:
            sides.theirs_view(text(question.view, Side.THEIRS))
        expected = sides.theirs(text(question.query, Side.THEIRS))
    except duckdb.Error as error:
        return Verdict(Ruling.NOT_COMPARABLE, _reason(str(error)))
    if expected.num_rows > ROWS_MAX:
        return Verdict(Ruling.NOT_COMPARABLE, "too many rows")
    said = [(state, _said(sides, state, question, expected)) for state in STATES]
    wrong = tuple((state, what) for state, what in said if what)
    if not wrong:
        return Verdict(Ruling.EQUAL)
    if len(wrong) == len(STATES) and all(what.startswith("error 0A000") for _, what in wrong):
        return Verdict(Ruling.REFUSED, _reason(wrong[0][1]))
    query = text(question.query, Side.OURS)
    excuses = [excused(query, what) for _, what in wrong]
    if excuses[0] is not None and None not in excuses:
        return Verdict(Ruling.EXCUSED, excuses[0])
    return Verdict(Ruling.DIFFERENT, said=wrong)


def _said(sides: Sides, state: str, question: Question, expected: pa.Table) -> str:
    """What is wrong in this state; empty if nothing is."""
    try:
        if question.view is not None:
            sides.our_view(state, text(question.view, Side.OURS))
        found = sides.ours(state, text(question.query, Side.OURS))
    except FrostlineError as error:
        return f"error {error.sqlstate} {error.message}"
    except Exception as error:
        return f"error XX000 {type(error).__name__}: {error}"
    return difference(found, expected, question.is_ordered) or ""


def _reason(said: str) -> str:
    """The first line without the names and numbers of one query."""
    return _NAMES.sub("..", said.split("\n")[0])[:REASON_LENGTH]
