"""Divisions and casts fail for some rows, and stand behind a guard that takes those rows away: K10g."""

from __future__ import annotations

from typing import Any, Final

from tests.second_opinion.expressions import Expressions
from tests.second_opinion.pieces import Either, Part, all_of, filled, row
from tests.second_opinion.questions import Making, Question, question

GUARDS: Final = (
    "{x} <> 0 AND {y} / {x} > 1", "{x} = 0 OR {y} / {x} > 1", "CASE WHEN {x} <> 0 THEN {y} / {x} > 1 ELSE false END",
    "{y} / nullif({x}, 0) > 1", "{x} > 0 AND ({y} % {x} = 0 OR {y} / {x} > 1)", "NOT ({x} = 0) AND {y} / {x} < 3",
)  # fmt: skip
_IS_NUMBER: Final = Either("regexp_like({t}, '^[0-9]+$')", "regexp_matches({t}, '^[0-9]+$')")
_ABOUT_BOTH: Final = ("r / p > 1", "r % p = 0 AND id >= 0", "id < 0 OR r / p < 2")
_ABOUT_QUOTIENT: Final = ("q > 0", "q > 0 AND r / p > 0", "q IN (0, 1, 2)")
_FORMS: Final = (
    "SELECT id FROM ({q}) AS w WHERE {c}", "WITH w AS ({q}) SELECT id FROM w WHERE {c}", "SELECT id FROM w WHERE {c}",
    "SELECT id FROM w WHERE {c}", "WITH c AS ({q}), w AS (SELECT * FROM c WHERE id >= 0) SELECT id FROM w WHERE {c}",
    "SELECT a.id FROM ({q}) AS a JOIN ({q}) AS b ON a.id = b.id AND a.r / b.p > 0", "SELECT count(*) FROM w WHERE {c}",
)  # fmt: skip


def guarded(making: Making) -> Question:
    """In one condition."""
    table = making.random.choice(making.tables)
    makes = making.over(table)
    test: Part = _of_texts(makes) if making.chance(0.3) else _of_numbers(making, makes)
    where = all_of([row("(", test, ")"), *makes.tests(1, 0)], " WHERE ")
    return question("K10g", making, row(f"SELECT id FROM {table.name}", where))


def _of_numbers(making: Making, makes: Expressions) -> Part:
    return filled(making.random.choice(GUARDS), x=makes.column("int") or "1", y=makes.column("int") or "1")


def _of_texts(makes: Expressions) -> Part:
    return row(_is_number("name"), filled(" AND CAST({t} AS INT) > 5", t="name"))


def _is_number(column: str) -> Either:
    return Either(*(text.replace("{t}", column) for text in (_IS_NUMBER.ours, _IS_NUMBER.theirs)))


def nested(making: Making) -> Question:
    """The guard in a derived table, a common table or a view, what fails around it, or in a column of it."""
    random = making.random
    table = random.choice(making.tables)
    makes = making.over(table)
    x, y = makes.column("int") or "1", makes.column("int") or "1"
    has_quotient = making.chance(0.6)
    guard: Part = f"{x} <> 0" if making.chance(0.7) else f"NOT ({x} = 0)"
    items = f"id, {x} AS p, {y} AS r" + (f", {y} / {x} AS q" if has_quotient else "")
    inner = row(f"SELECT {items} FROM {table.name}", all_of([guard, *makes.tests(1, 0)], " WHERE ", least=1))
    condition = random.choice(_ABOUT_QUOTIENT if has_quotient else _ABOUT_BOTH)
    form = random.choice(_FORMS)
    parts: dict[str, Any] = {"q": inner, "c": condition}
    query = filled(form, **{name: part for name, part in parts.items() if f"{{{name}}}" in form})
    return Question("K10g", query, view=None if "{q}" in form else inner)
