"""Structs are read by field: K5 (a field of a NULL struct is NULL, whatever lies under the NULL)."""

from __future__ import annotations

from typing import Final

from tests.second_opinion.pieces import Part, listed, row
from tests.second_opinion.questions import Making, Question, named, question

VALUES: Final = (
    "s['a']", "s['y']", "s['a'] IS NULL", "coalesce(s['a'], 9)", "s['a'] + id", "s['y'] || 'z'", "s IS NULL",
    "CASE WHEN s['a'] = 0 THEN 'zero' ELSE 'other' END", "length(s['y'])",
)  # fmt: skip
TESTS: Final = (
    "s['a'] IS NULL", "s['a'] = 0", "s['y'] = ''", "s['a'] < 2", "s['y'] IS NOT NULL", "s IS NOT NULL",
    "coalesce(s['a'], 1) = 1", "(s['a'] IS DISTINCT FROM 0)", "s['a'] IN (0, 1)",
)  # fmt: skip
AGGREGATES: Final = ("count(s['a'])", "sum(s['a'])", "min(s['y'])", "max(s['a'])", "count(DISTINCT s['y'])", "count(s)")


def fields(making: Making) -> Question:
    """K5: fields as items, in WHERE, in groups, in joins and in windows."""
    table = making.random.choice([table for table in making.tables if "s" in table.columns])
    tests: list[Part] = [making.random.choice(TESTS)] if making.chance(0.5) else []
    where = row(*([" WHERE ", *tests] if tests else []))
    source = row(f" FROM {table.name}", where, simpler=(f" FROM {table.name}",))
    chosen = named(making.random.sample(VALUES, making.random.randint(1, 3)))
    calls = named(making.random.sample(AGGREGATES, 2))
    match making.random.randint(0, 5):
        case 0:
            query = row("SELECT ", listed(calls), source)
        case 1:
            by = making.random.choice(("s['a']", "s['y']", "k"))
            query = row(f"SELECT {by} AS g, ", listed(calls), source, f" GROUP BY {by}")
        case 2:
            other = making.random.choice(making.tables)
            join = f" FROM {table.name} AS a JOIN {other.name} AS b ON a.s['a'] = b.k"
            query = row("SELECT a.id, b.id AS other, a.s['y'] AS y", join)
        case 3:
            query = row("SELECT id, count(*) OVER (PARTITION BY s['a']) AS n", source)
        case 4:
            query = row("SELECT id, s", source)
        case _:
            query = row("SELECT id, ", listed(chosen), source)
    return question("K5", making, query)
