"""Long lists of literals are packed away and come back as they were."""

from __future__ import annotations

import pytest

from flight_server.rewrite.packing import ITEMS_MIN, packed, unpacked

NUMBERS = ", ".join(str(number) for number in range(ITEMS_MIN))
TEXTS = ",".join(f"'it''s {number}'" for number in range(ITEMS_MIN))


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT a FROM t WHERE a IN ({NUMBERS}) ORDER BY a",
        f"SELECT a FROM t WHERE a NOT IN ( {TEXTS} ) AND b in ({NUMBERS})",
        f"SELECT ' IN ({NUMBERS})' AS s FROM t",
    ],
)
def test_a_packed_text_comes_back_as_it_was(sql: str):
    text, lists = packed(sql)
    assert len(text) < len(sql)
    assert unpacked(text, lists) == sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t WHERE a IN (1, 2, 3)",
        f"SELECT greatest({NUMBERS}) FROM t",
        f"SELECT a FROM t WHERE a IN ({NUMBERS}, -0.0)",
        f"SELECT a FROM t WHERE a IN ({NUMBERS}, b)",
        f"SELECT * FROM (VALUES ({NUMBERS})) AS v",
    ],
)
def test_other_lists_stay_where_they_are(sql: str):
    assert packed(sql) == (sql, {})
