"""What the second opinion stands on: answers compared by value, tables with values under NULLs, smaller queries."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pyarrow as pa
import pytest

from tests.second_opinion.answers import difference
from tests.second_opinion.grammars import GRAMMARS, make_question
from tests.second_opinion.pieces import Either, Side, all_of, listed, row, smaller, text
from tests.second_opinion.questions import Making
from tests.second_opinion.tables import DEAD_ID, tables

NAN, INFINITY = float("nan"), float("inf")


def column(values: list[object], type_: pa.DataType | None = None) -> pa.Table:
    return pa.table({"c": pa.array(values, type_)})


SAME = [
    (column([2**60 + 7]), column([float(2**60)])),
    (column([1, NAN, None]), column([None, 1.0, NAN])),
    (column([0.0]), column([-0.0])),
    (column([Decimal("2.50")]), column([2.5])),
    (column([0.1 + 0.2]), column([0.3])),
    (column([[1, None, NAN]]), column([[1, None, NAN]])),
    (column([253_402_300_800_000_000], pa.timestamp("us")), column([253_402_300_800_000_000], pa.timestamp("us"))),
    (column([20_000], pa.date32()), column([20_000 * 86_400_000], pa.timestamp("ms"))),
]
DIFFERENT = [
    (column([2**53]), column([2**53 + 1])),
    (column([1]), column([1, 1])),
    (column([NAN]), column([None])),
    (column([-INFINITY]), column([-1.7976931348623157e308])),
    (column(["1"]), column([1])),
    (column([True]), column([1])),
    (column([""]), column([None], pa.string())),
    (column([{"a": 0}]), column([{"a": None}], pa.struct([("a", pa.int64())]))),
]


@pytest.mark.parametrize(("found", "expected"), SAME)
def test_equal_values_are_equal_in_any_type_and_order(found: pa.Table, expected: pa.Table) -> None:
    assert difference(found, expected, is_ordered=False) is None


@pytest.mark.parametrize(("found", "expected"), DIFFERENT)
def test_other_values_are_different(found: pa.Table, expected: pa.Table) -> None:
    assert difference(found, expected, is_ordered=False) is not None


def test_the_order_counts_where_it_is_asked_for() -> None:
    assert difference(column([1, 2]), column([2, 1]), is_ordered=True) is not None


def test_values_lie_under_null_structs() -> None:
    for seed in range(20):
        wide = tables(Random(seed))[0]
        structs = wide.arrow(wide.rows)["s"].combine_chunks()
        if structs.null_count:
            assert structs.field("a").null_count < structs.null_count + structs.flatten()[0].null_count
            return
    pytest.fail("no table has a NULL struct")


def test_ids_are_unique_and_the_dead_are_told_by_theirs() -> None:
    for table in tables(Random(1)):
        ids = [each.values[0] for each in table.rows]
        assert len(set(ids)) == len(ids)
        assert all(isinstance(i, int) and i < DEAD_ID for i in (each.values[0] for each in table.live))


def test_a_query_gets_smaller_step_by_step() -> None:
    query = row("SELECT ", listed(["a", "b"]), " FROM t", all_of(["x", Either("y", "z")], " WHERE "))
    assert text(query, Side.THEIRS) == "SELECT a, b FROM t WHERE x AND z"
    assert {text(less, Side.OURS) for less in smaller(query)} == {
        "SELECT a FROM t WHERE x AND y",
        "SELECT b FROM t WHERE x AND y",
        "SELECT a, b FROM t",
        "SELECT a, b FROM t WHERE x",
        "SELECT a, b FROM t WHERE y",
    }


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in GRAMMARS}))
def test_a_seed_makes_the_same_questions_again(kind: str) -> None:
    def made() -> list[str]:
        random = Random(5)
        making = Making(random, tables(random))
        questions = [make_question(making, frozenset({kind})) for _ in range(20)]
        assert {question.kind for question in questions} == {kind}
        return [text(question.query, Side.OURS) for question in questions]

    assert made() == made()
