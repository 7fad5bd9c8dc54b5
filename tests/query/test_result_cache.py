"""Results that are kept: the same rows as the engine would give, and never those of another moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datafusion import SessionConfig, SessionContext

from flight_server.query import QueryEngine, QueryScope, QuerySettings
from flight_server.query.result_cache import CHANGING_FUNCTIONS, OVERHEAD_BYTES, RESULT_SHARE, ResultCache
from flight_server.query.results.running_query import FinishedQuery
from flight_server.query.scan.dependencies import Dependencies
from storage.catalog.names import TableName
from storage.catalog.schema import TableDef
from storage.cold.file_store import only_local
from storage.cold.local_store import LocalStore
from storage.errors import PermissionDenied
from storage.state.state import PartitionState
from tests.support.query_database import Database, column, seq_at

TABLE: Any = object()
LONG = "SELECT id % 7 AS g, count(*) AS n, sum(id) AS s FROM t GROUP BY 1 ORDER BY 1"


@pytest.fixture
def table(db: Database) -> TableDef:
    made = db.table("t", column("id", pa.int64()))
    db.file(made, [seq_at(n) for n in range(1, 20_001)], id=list(range(20_000)))
    return made


@pytest.fixture
def scope(db: Database, table: TableDef) -> QueryScope:
    assert table.name.table == "t"
    return db.scope()


def rows(queries: QueryEngine, sql: str, scope: QueryScope) -> tuple[pa.Table, bool]:
    """With whether they were kept ones."""
    before = queries.results.hits
    table = queries.collect(queries.plan(sql, scope), lambda: False)
    return table, queries.results.hits > before


@pytest.mark.parametrize("sql", [LONG, "SELECT 1 + 1 AS a", "SELECT id FROM t WHERE id < 0", "SELECT * FROM t"])
def test_a_text_that_comes_again_is_given_its_rows(queries: QueryEngine, scope: QueryScope, sql: str):
    first, was_kept = rows(queries, sql, scope)
    assert not was_kept
    again, was_kept = rows(queries, sql, scope)
    assert was_kept
    assert again.equals(first)


def test_rows_are_kept_while_other_tables_change(queries: QueryEngine, db: Database, scope: QueryScope):
    rows(queries, LONG, scope)
    db.table("other", column("id", pa.int64()))
    assert rows(queries, LONG, db.scope())[1]


CHANGES: dict[str, Callable[[Database, TableDef], object]] = {
    "a file": lambda db, table: db.file(table, [seq_at(30_000)], id=[5]),
    "a hot row": lambda db, table: db.hot(table, [seq_at(30_001)], id=[5]),
    "a deleted row": lambda db, table: db.delete(table, [seq_at(6)], seq_at(30_002)),
    "another definition": lambda db, table: db.altered(table, comment="of numbers"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_kept_is_given_after_a_change(queries: QueryEngine, db: Database, table: TableDef, change: str):
    scope = db.scope()
    first, _ = rows(queries, LONG, scope)
    CHANGES[change](db, table)
    now, was_kept = rows(queries, LONG, db.scope())
    assert not was_kept
    assert now.equals(first) == (change == "another definition")
    old, was_kept = rows(queries, LONG, scope)  # somebody still reads the moment before
    assert not was_kept
    assert old.equals(first)


def test_a_view_with_another_text_has_other_rows(queries: QueryEngine, db: Database, scope: QueryScope):
    for text, expected in (("SELECT max(id) AS m FROM t", 19_999), ("SELECT min(id) AS m FROM t", 0)):
        db.view("v", text)
        for _ in range(2):
            assert rows(queries, "SELECT m FROM v", db.scope())[0].to_pydict() == {"m": [expected]}


def test_another_caller_and_another_time_zone_have_rows_of_their_own(queries: QueryEngine, scope: QueryScope):
    rows(queries, LONG, scope)
    assert not rows(queries, LONG, replace(scope, caller="ann"))[1]
    assert not rows(queries, LONG, replace(scope, time_zone="+02:00"))[1]


def test_rights_are_asked_each_time(queries: QueryEngine, scope: QueryScope):
    def refuse(name: TableName) -> None:
        raise PermissionDenied(f"no {name}")

    rows(queries, LONG, scope)
    with pytest.raises(PermissionDenied, match=r"no public\.t"):
        rows(queries, LONG, replace(scope, allow=refuse))


@pytest.mark.parametrize(
    "sql", ["SELECT now()", "SELECT random()", "SELECT uuid()", "SELECT current_date", "SELECT current_time"]
)
def test_what_changes_by_itself_is_not_kept(queries: QueryEngine, scope: QueryScope, sql: str):
    assert not any(rows(queries, f"{sql} AS v FROM t LIMIT 3", scope)[1] for _ in range(3))


@pytest.mark.parametrize("explain", ["EXPLAIN", "EXPLAIN ANALYZE"])
def test_plans_that_are_shown_are_made_anew(queries: QueryEngine, scope: QueryScope, explain: str):
    assert not any(rows(queries, f"{explain} {LONG}", scope)[1] for _ in range(2))


def test_every_function_of_the_engine_that_may_change_is_known():
    """By what the engine itself says of its functions."""
    context = SessionContext(SessionConfig().with_information_schema(True))
    said = context.sql(
        "SELECT DISTINCT routine_name FROM information_schema.routines WHERE NOT is_deterministic "
        "AND routine_name NOT IN ('generate_series', 'range')"  # these are tables, of which nothing is said
    )
    names = {name for batch in said.collect() for name in batch.column(0).to_pylist()}
    assert {"now", "random", "uuid"} <= names
    for name in sorted(names):
        shown = context.sql(f"SELECT {name}()").logical_plan().display_indent()
        assert any(f"{known}(" in shown for known in CHANGING_FUNCTIONS), (name, shown)


def test_a_reader_that_stops_early_leaves_nothing_behind(queries: QueryEngine, scope: QueryScope):
    sql = "SELECT a.id FROM t AS a, t AS b WHERE a.id < 50"
    running = queries.start(queries.plan(sql, scope))
    next(running.batches())
    running.cancel()
    assert not isinstance(queries.start(queries.plan(sql, scope)), FinishedQuery)


def test_what_was_kept_of_a_moment_that_nobody_reads_any_more_is_let_go():
    cache, touched = ResultCache(1 << 20), Dependencies()
    partition = PartitionState(1)
    touched.stored.append((TABLE, partition))
    for name in range(10):
        cache.keep(name, touched, [pa.record_batch({"v": pa.array([name])})])
    assert cache.get(0, touched) is not None
    assert len(cache) == 10
    touched.stored.clear()
    del partition
    cache.keep("other", touched, [])
    assert len(cache) == 1
    assert cache.bytes == OVERHEAD_BYTES


def test_large_results_are_not_kept_and_small_ones_go_in_order_of_use():
    limit = 8 * RESULT_SHARE * OVERHEAD_BYTES
    cache, touched = ResultCache(limit), Dependencies()
    small, large = (pa.record_batch({"v": pa.array(range(n))}) for n in (10, limit))
    cache.keep("large", touched, [large])
    cache.keep("a slice of it", touched, [large.slice(0, 1)])
    assert len(cache) == 0
    for name in range(100):
        cache.keep(name, touched, [small])
        assert cache.get(0, touched) is not None
    assert cache.bytes <= limit
    assert 0 < len(cache) < 100
    assert cache.get(1, touched) is None
    assert cache.get(99, touched) is not None


def test_the_texts_themselves_take_room():
    cache, touched = ResultCache(RESULT_SHARE * 100_000), Dependencies()
    for number in range(100):
        cache.keep((f"SELECT {number} AS {'x' * 50_000}", "public"), touched, [])
    assert 0 < len(cache) <= 16
    cache.keep(("x" * 100_000,), touched, [])
    assert cache.get(("x" * 100_000,), touched) is None


def test_with_no_room_nothing_is_kept(tmp_path: Path):
    (tmp_path / "cold").mkdir()
    settings = QuerySettings(memory_bytes_max=64 << 20, result_cache_bytes_max=0)
    engine = QueryEngine(settings, tmp_path / "spill", only_local(LocalStore(tmp_path / "cold")))
    try:
        scope = Database(engine, tmp_path / "cold").scope()
        for _ in range(2):
            engine.collect(engine.plan("SELECT 1 + 1 AS a", scope), lambda: False)
        assert (len(engine.results), engine.results.hits) == (0, 0)
    finally:
        engine.close()
