"""Times lie beyond 1677 and 2262: K10f (columns of microseconds, literals, casts and functions over them)."""

from __future__ import annotations

from typing import Final

from tests.second_opinion.pieces import Part, all_of, listed, row
from tests.second_opinion.questions import Making, Question, named, question

LITERALS: Final = (
    "TIMESTAMP '9999-12-31 00:00:00'", "TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '2500-06-01 12:00:00'",
    "TIMESTAMP '2026-01-01 12:00:00'", "CAST('9000-01-01 00:00:00' AS TIMESTAMP)",
    "CAST(DATE '9999-12-31' AS TIMESTAMP)",
)  # fmt: skip
VALUES: Final = (
    "till", "date_trunc('year', till)", "date_trunc('day', till)", "CAST(till AS DATE)", "extract(year FROM till)",
    "coalesce(till, {l})", "CASE WHEN id > 3 THEN till ELSE {l} END", "till + INTERVAL '1 day'", "greatest(till, {l})",
    "nullif(till, {l})", "CAST(day AS TIMESTAMP)", "{l}", "till = {l}", "CAST(CAST(till AS DATE) AS TIMESTAMP)",
    "extract(month FROM till)",
)  # fmt: skip
TESTS: Final = (
    "till = {l}", "till > {l}", "till <= {l}", "till > '9000-01-01'", "till BETWEEN {l} AND {m}", "till IN ({l}, {m})",
    "(till IS DISTINCT FROM {l})", "date_trunc('year', till) < {l}", "extract(year FROM till) > 2300", "till <> ts",
    "till > ts", "till < day",
)  # fmt: skip


def far_times(making: Making) -> Question:
    table = making.tables[0]  # which has all columns
    where = _where(making)
    if making.chance(0.2):
        by = making.random.choice(("k", "ok"))
        head = f"SELECT {by} AS g, min(till) AS a, max(till) AS b FROM {table.name}"
        return question("K10f", making, row(head, where, f" GROUP BY {by}"))
    if making.chance(0.15):
        order = f" ORDER BY till{making.random.choice(('', ' DESC'))}, id LIMIT 3"
        return question("K10f", making, row(f"SELECT id, till FROM {table.name}", where, order), is_ordered=True)
    items = [_filled(making, template) for template in making.random.sample(VALUES, making.random.randint(1, 2))]
    return question("K10f", making, row("SELECT id, ", listed(named(items)), f" FROM {table.name}", where))


def _where(making: Making) -> Part:
    return all_of([_filled(making, making.random.choice(TESTS))] if making.chance(0.6) else [], " WHERE ")


def _filled(making: Making, template: str) -> str:
    return template.replace("{l}", making.random.choice(LITERALS)).replace("{m}", making.random.choice(LITERALS))
