"""Condition checks find in the text of a raw plan what fails beside its guard, and what makes columns equal.

As in `risks`, a text of the caller in the plan can bring a risk that is none, but hide none that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from flight_server.query.care.plan_text import NAMES_MAX, casts, casts_in_case, divides, divides_in_case, has_cast

_TEXT_COLUMN: Final = re.compile(r"(?:\[|, )([^,\[\]:]{1,128}):(?:Large)?Utf8")
_NO_COLUMN: Final = (
    "AND|OR|NOT|IS|NULL|TRUE|FALSE|UNKNOWN|DISTINCT|FROM|IN|BETWEEN|LIKE|ILIKE|CASE|WHEN|THEN|ELSE|END|AS"
)
# Of a table, or alone: then no word of the engine's, no type and no number.
_COLUMN: Final = re.compile(
    r"(?<![\w.\"])(?:((?:\w+|\"[^\"]+\")\.)\S"
    rf"|(?<!AS )(?!(?:{_NO_COLUMN}|\d+)\b)(?:\w+|\"[^\"]+\")(?![\w.(\"]))"
)
_SEQ: Final = re.compile(r"\._seq\b")
_TEXT_TYPE: Final = re.compile(r":(?:Large)?Utf8")
_LITERAL: Final = re.compile(r"\b[A-Z]\w*\(\"[^\"]*\"(?:, \w+\(\"[^\"]*\"\))?\)")
_MAY_EQUATE: Final = re.compile(r" (?:=|>=|<=|!=|IS (?:NOT )?DISTINCT FROM) | (?:NOT )?(?:IN|BETWEEN) ")


def may_fail_beside_a_guard(shown: str, with_types: Callable[[], str], *, within: bool) -> bool:
    """Whether a division, or the cast of a text, may be computed for rows that another condition takes away."""
    if divides(shown) and (divides_in_case(shown) or _stands_beside_a_guard(shown, divides, within=within)):
        return True
    if "CAST(" not in shown:
        return False
    if not casts_in_case(shown) and not _stands_beside_a_guard(shown, has_cast, within=within):
        return False
    typed = with_types()
    names = _TEXT_COLUMN.findall(typed)
    texts = {name.strip() for name in names}
    if len(names) < len(_TEXT_TYPE.findall(typed)) or len(texts) > NAMES_MAX:
        return True
    return any(_names_one(found, texts) for found in casts(shown))


def fails_above_an_outer_join(shown: str) -> bool:
    """Whether a filter divides or casts, and the ON of an outer join has conditions that could guard it."""
    lines = [line.lstrip() for line in shown.split("\n")]
    has_guard = any(line.startswith("Left Join:") and "Filter: " in line for line in lines)
    return has_guard and any(divides(line) or has_cast(line) for line in lines if line.startswith("Filter: "))


def _names_one(cast: str, columns: set[str]) -> bool:
    return any(column in cast for column in columns)


def _stands_beside_a_guard(shown: str, may_fail: Callable[[str], bool], *, within: bool) -> bool:
    lines = [line.lstrip() for line in shown.split("\n")]
    filters = [line for line in lines if "Filter: " in line and not _SEQ.search(line)]
    if len(filters) > (0 if within else 1):  # they may become one
        return True
    if any((" AND " in line or " OR " in line) and may_fail(line) for line in (*filters, *_joins(lines))):
        return True
    return any("WindowAggr:" in line and "FILTER (WHERE" in line and may_fail(line) for line in lines)


def _joins(lines: list[str]) -> list[str]:
    return [line for line in lines if "Join:" in line]


def equates_within_a_table(shown: str) -> bool:
    """Whether a condition may come to an equality of two columns, or expressions, of one table."""
    lines = [line for line in shown.split("\n") if "Filter: " in line and _MAY_EQUATE.search(line)]
    conditions = [_LITERAL.sub("", line.partition("Filter: ")[2]) for line in lines]
    return any(_equates(part) for condition in conditions for part in condition.split(" AND "))


def _equates(condition: str) -> bool:
    if condition.count('"') % 2 or not condition.isascii():  # an AND within a text or a name; a name of any letters
        return True
    if not _MAY_EQUATE.search(condition):
        return False
    tables = _COLUMN.findall(condition)
    return len(tables) > len(set(tables))
