"""Plans that are kept: never a stale answer, never a check left out."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from flight_server.query import QueryEngine, QueryScope
from flight_server.query.plan_cache import PlanCache
from storage.catalog.names import TableName
from storage.errors import Corruption, PermissionDenied
from storage.state.state import DatabaseState
from tests.support.query_database import Database, column, seq_at


def state() -> DatabaseState:
    return DatabaseState()


@pytest.fixture
def scope(db: Database) -> QueryScope:
    table = db.table("t", column("id", pa.int64()))
    db.file(table, [seq_at(1)], id=[7])
    return db.scope()


def test_a_plan_is_found_for_its_own_state_only():
    cache: PlanCache[str] = PlanCache()
    old, new = state(), state()
    assert cache.get(old, "k") is None
    cache.put(old, "k", "plan")
    assert cache.get(old, "k") == "plan"
    assert cache.get(new, "k") is None
    assert len(cache) == 0


def test_a_plan_made_for_an_older_state_is_not_kept():
    cache: PlanCache[str] = PlanCache()
    old, new = state(), state()
    cache.get(old, "k")
    cache.get(new, "k")
    cache.put(old, "k", "plan")
    assert cache.get(new, "k") is None


def test_the_least_recently_used_plan_goes_first():
    cache: PlanCache[int] = PlanCache(plans_max=2)
    at = state()
    for key in (1, 2):
        cache.get(at, key)
        cache.put(at, key, key)
    assert cache.get(at, 1) == 1
    cache.put(at, 3, 3)
    assert (cache.get(at, 1), cache.get(at, 2), cache.get(at, 3)) == (1, None, 3)


def test_a_text_that_comes_again_has_one_plan(queries: QueryEngine, scope: QueryScope):
    sql = "SELECT id FROM t"
    assert queries.plan(sql, scope) is queries.plan(sql, scope)
    assert queries.plan(sql, replace(scope, time_zone="+02:00")) is not queries.plan(sql, scope)


@pytest.mark.parametrize(
    "sql", ["SELECT id, _deleted FROM t", "SELECT * FROM mine", "SELECT * FROM frostline.system.x"]
)
def test_a_plan_that_depends_on_more_than_the_state_is_made_anew(queries: QueryEngine, scope: QueryScope, sql: str):
    rows = pa.table({"a": [1]})
    scope = replace(scope, extra={"mine": rows}, virtual={TableName("system", "x"): lambda: rows})
    assert queries.plan(sql, scope) is not queries.plan(sql, scope)


def test_system_tables_are_computed_at_each_statement(queries: QueryEngine, scope: QueryScope):
    numbers = iter(range(10))
    scope = replace(scope, virtual={TableName("system", "x"): lambda: pa.table({"n": [next(numbers)]})})
    sql = "SELECT n FROM frostline.system.x"
    assert [queries.collect(queries.plan(sql, scope), lambda: False)["n"][0].as_py() for _ in range(2)] == [0, 1]


def test_access_is_checked_each_time(queries: QueryEngine, scope: QueryScope):
    def refuse(name: TableName) -> None:
        raise PermissionDenied(f"no {name}")

    queries.plan("SELECT id FROM t", scope)
    with pytest.raises(PermissionDenied, match=r"no public\.t"):
        queries.plan("SELECT id FROM t", replace(scope, allow=refuse))


def test_cold_files_are_checked_each_time(queries: QueryEngine, db: Database, scope: QueryScope):
    queries.plan("SELECT id FROM t", scope)
    [file] = next(iter(scope.state.partitions.values())).cold
    (db.cold / file.path).write_bytes(b"rot")
    with pytest.raises(Corruption, match=r"public\.t"):
        queries.plan("SELECT id FROM t", scope)


def test_now_moves_on_in_a_kept_plan(queries: QueryEngine, scope: QueryScope):
    plan = queries.plan("SELECT now() AS at", scope)
    first, second = (queries.collect(plan, lambda: False)["at"][0].value for _ in range(2))
    assert second > first


def test_of_a_table_whose_one_row_is_known_that_row_is_read_and_the_plan_kept(queries: QueryEngine, scope: QueryScope):
    asked: list[TableName] = []

    def only(name: TableName) -> pa.RecordBatch:
        asked.append(name)
        return pa.record_batch({"id": [9]})

    scope = replace(scope, only=only)
    for _ in range(2):
        assert queries.collect(queries.plan("SELECT id FROM t", scope), lambda: False).to_pydict() == {"id": [9]}
    assert asked == [TableName("public", "t")]
