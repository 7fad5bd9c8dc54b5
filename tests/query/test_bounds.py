"""Joins without a key: which are refused before they begin."""

from __future__ import annotations

import pytest

from flight_server.query import QueryEngine, QueryScope
from flight_server.query.bounds import PAIRS_MAX, pairs, parsed, refuse_endless_joins
from flight_server.query.scan.dependencies import JoinWay
from storage.errors import LimitExceeded
from storage.state.state import DatabaseState

SCOPE = QueryScope(DatabaseState())
MILLION = "generate_series(1, 1000000)"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) FROM {MILLION} a JOIN {MILLION} b ON a.value < b.value",
        f"SELECT sum(a.value * b.value) FROM {MILLION} a, {MILLION} b",
        f"SELECT * FROM {MILLION} a, {MILLION} b WHERE a.value + b.value > 5 ORDER BY 1",
        f"SELECT * FROM {MILLION} a WHERE EXISTS (SELECT 1 FROM {MILLION} b WHERE b.value > a.value + 5)",
        f"EXPLAIN ANALYZE SELECT count(*) FROM {MILLION} a JOIN {MILLION} b ON a.value < b.value",
    ],
)
def test_joins_that_would_hardly_end_are_refused(queries: QueryEngine, sql: str):
    with pytest.raises(LimitExceeded, match="1,000,000,000,000 pairs") as caught:
        queries.start(queries.plan(sql, SCOPE))
    assert caught.value.sqlstate == "54000"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM {MILLION} a, {MILLION} b LIMIT 10",
        f"SELECT count(*) FROM {MILLION} a JOIN {MILLION} b ON a.value = b.value",
        f"SELECT count(*) FROM {MILLION} a JOIN generate_series(1, 100) b ON a.value < b.value",
        f"SELECT count(*) FROM {MILLION} a, (VALUES (1), (2)) b",
        f"SELECT * FROM {MILLION} WHERE value > (SELECT avg(value) FROM {MILLION}) LIMIT 1",
        f"EXPLAIN SELECT count(*) FROM {MILLION} a JOIN {MILLION} b ON a.value < b.value",
    ],
)
def test_all_others_run(queries: QueryEngine, sql: str):
    assert queries.collect(queries.plan(sql, SCOPE), lambda: False).num_rows > 0


def test_guessed_estimates_get_the_benefit_of_the_doubt():
    plan = """\
NestedLoopJoinExec: join_type=Inner, filter=v@0 < v@1, statistics=[Rows=Absent]
  FilterExec: id@0 > 1, statistics=[Rows=Inexact(200000)]
    DataSourceExec, statistics=[Rows=Exact(1000000)]
  DataSourceExec, statistics=[Rows=Exact(1000000)]
"""
    join = parsed(plan)[0]
    assert pairs(join) == 2_000 * 1_000_000 < PAIRS_MAX
    refuse_endless_joins(plan)


def test_unknown_sides_are_let_through():
    refuse_endless_joins("CrossJoinExec, statistics=[Rows=Absent]\n  A, statistics=[Rows=Absent]\n  B\n")
    refuse_endless_joins("")


def test_joins_without_a_key_leave_threads_to_others(queries: QueryEngine):
    """Each of them keeps one of the engine's threads busy, whatever its plan would like."""
    slow = f"SELECT count(*) FROM {MILLION} a JOIN generate_series(1, 500) b ON a.value + b.value < 0"
    plans = [queries.plan(f"{slow} -- {number}", SCOPE) for number in range(2)]
    running = [queries.start(plan) for plan in plans]
    assert [plan.touched.join_way for plan in plans] == [JoinWay.ONE_THREAD] * 2
    found = queries.collect(queries.plan(f"SELECT count(*) AS n FROM {MILLION}", SCOPE), lambda: False)
    assert found["n"].to_pylist() == [1_000_000]
    for query in running:  # to the end: cancelling would not free the processors for the tests behind this one
        assert query.reader().read_all().num_rows == 1
