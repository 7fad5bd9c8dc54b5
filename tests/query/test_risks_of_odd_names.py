"""Risks in plans are found whatever columns and tables are called."""

from __future__ import annotations

import pytest

from flight_server.query.care.risky_conditions import equates_within_a_table, may_fail_beside_a_guard


@pytest.mark.parametrize("left", ["t.a", "t.A", "t.é", "t.a b", "t.1a", "t.a.b", "t.*", "A", "é", "1a", "🦀"])
@pytest.mark.parametrize("right", ["t.b", "t.B", "t.ü", "t.2 c"])
def test_an_equality_of_two_columns_is_seen(left: str, right: str):
    mixed = left[:2] != "t." and right[:2] == "t."
    assert equates_within_a_table(f"  Filter: {left} = {right}") or (mixed and left.isascii() and right.isascii())


@pytest.mark.parametrize(
    "condition", ["t.a = Int64(1)", "t.a IN ([Int64(1), Int64(2)])", 't.a = Utf8("B")', "t.a > u.b"]
)
def test_a_comparison_with_a_value_or_another_table_is_none(condition: str):
    assert not equates_within_a_table(f"  Filter: {condition}")


def test_a_column_that_begins_like_a_system_column_guards_as_any_other():
    shown = "Filter: t.n / t._sequence > Int64(1)\n  Filter: t._sequence != Int64(0)"
    assert may_fail_beside_a_guard(shown, lambda: shown, within=False)
