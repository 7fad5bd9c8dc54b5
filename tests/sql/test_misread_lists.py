"""Pairs of NOT IN that the engine takes for "always", NULL or not: refused in every spelling, and nothing else is."""

from __future__ import annotations

import pytest

from storage.errors import NotSupported
from tests.support.parsed import parse

WRONG = [
    "x NOT IN (1, 2) OR x NOT IN (3, 4)",
    "x NOT IN (1) OR (y = 1 OR x NOT IN (3))",
    "NOT (x IN (1, 2) AND x IN (3, 4))",
    "NOT (x IN (1, 2)) OR NOT (x IN (3, 4))",
    "NOT x IN (1, 2) OR t.x NOT IN (3)",
    "NOT (y = 1 OR (x IN (1, 2) AND x IN (3)))",
    "x NOT IN (1) AND y = 1 OR x NOT IN (3)",
    "NOT (x IN (1, 2) AND (y = 1 AND x IN (3)))",
    'x NOT IN (CAST(1 AS INT)) OR "x" NOT IN (CAST(2 AS INT))',
]
RIGHT = [
    "x NOT IN (1, 2) OR x NOT IN (1, 4)",
    "x NOT IN (1, 2) AND x NOT IN (3, 4)",
    "x NOT IN (1, 2) OR y NOT IN (3, 4)",
    "x IN (1, 2) OR x IN (3, 4)",
    "x IN (1, 2) AND x IN (3, 4)",
    "x NOT IN (1) AND (y = 1 OR z = 2) AND x NOT IN (3)",
    "NOT (x NOT IN (1, 2) OR x IN (3, 4))",
    "NOT (x IN (1, 2) OR x IN (3, 4))",
    "NOT (x IN (1, 2) OR y = 1 AND x IN (3, 4))",
    "NOT (x IN (1) AND y = 1 OR z = 2 OR x IN (3))",
    "x NOT IN (1, 2) OR x NOT IN (SELECT 3)",
    "x IN (1) OR x NOT IN (2)",
]


@pytest.mark.parametrize("condition", WRONG)
def test_two_lists_that_exclude_nothing_are_refused(condition: str) -> None:
    for text in (f"SELECT * FROM t WHERE {condition}", f"DELETE FROM t WHERE {condition}"):
        with pytest.raises(NotSupported, match="write x IS NOT NULL"):
            parse(text)


@pytest.mark.parametrize("condition", RIGHT)
def test_other_lists_are_not(condition: str) -> None:
    parse(f"SELECT * FROM t WHERE {condition}")
