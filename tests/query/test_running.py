"""Statements under way: order, sizes, cancelling, and what is left behind."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from flight_server.query import QueryEngine, QueryScope, QuerySettings, RunState
from flight_server.query.results.result_shape import cut
from flight_server.query.results.running_query import Running
from storage.cold.file_store import only_local
from storage.cold.local_store import LocalStore
from storage.errors import Cancelled, FrostlineError, InvalidRequest
from storage.state.state import DatabaseState

SCOPE = QueryScope(DatabaseState())
LONG = "SELECT count(*) FROM generate_series(1, 100000000000) WHERE value % 7 = 3"
ENDLESS_ROWS = "SELECT value, value::varchar AS s FROM generate_series(1, 100000000000)"
MESSAGE_BYTES_MAX = 2 << 20


def started(queries: QueryEngine, sql: str) -> Running:
    return queries.start(queries.plan(sql, SCOPE))


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def assert_cpu_is_quiet() -> None:
    """Within two seconds the process uses hardly any processor time."""
    for _ in range(10):
        before = cpu_seconds()
        time.sleep(0.2)
        if cpu_seconds() - before < 0.05:
            return
    pytest.fail("something goes on burning")


def test_rows_come_in_order_and_as_the_planned_schema(queries: QueryEngine):
    plan = queries.plan("SELECT value FROM generate_series(1, 200000) ORDER BY value DESC", SCOPE)
    table = queries.start(plan).reader().read_all()
    assert table.schema == plan.schema
    assert table.column(0).to_pylist() == list(range(200_000, 0, -1))


def test_an_empty_answer_has_its_schema(queries: QueryEngine):
    table = started(queries, "SELECT 1 AS a WHERE false").reader().read_all()
    assert (table.num_rows, table.column_names) == (0, ["a"])


def test_a_plan_can_be_started_twice(queries: QueryEngine):
    plan = queries.plan("SELECT count(*) FROM generate_series(1, 10)", SCOPE)
    assert [queries.start(plan).reader().read_all().to_pylist()[0] for _ in range(2)] == [{"count(*)": 10}] * 2


def test_large_batches_are_cut_and_small_ones_joined(queries: QueryEngine):
    wide = list(started(queries, "SELECT repeat('x', 1000) AS s FROM generate_series(1, 20000)").batches())
    assert sum(batch.num_rows for batch in wide) == 20_000
    assert max(batch.nbytes for batch in wide) <= MESSAGE_BYTES_MAX
    tiny = " UNION ALL ".join(f"SELECT {i} AS a" for i in range(40))
    running = started(queries, tiny)
    while running.state is RunState.RUNNING:
        time.sleep(0.01)
    assert [batch.num_rows for batch in running.batches()] == [40]


def test_cutting_stops_where_it_does_not_help():
    one_row = pa.record_batch({"s": ["x" * 5000]})
    assert list(cut(one_row, 1000)) == [one_row]
    words = pa.array(["y" * 5000] * 100).dictionary_encode()
    assert len(list(cut(pa.record_batch({"s": words}), 1000))) <= 6


def test_view_types_leave_as_plain_ones(queries: QueryEngine):
    plan = queries.plan("SELECT arrow_cast('abc', 'Utf8View') AS s, arrow_cast('abc', 'BinaryView') AS b", SCOPE)
    assert plan.schema.types == [pa.string(), pa.binary()]
    assert queries.start(plan).reader().read_all().to_pylist() == [{"s": "abc", "b": b"abc"}]


@pytest.mark.parametrize("sql", [LONG, "SELECT count(DISTINCT value) FROM generate_series(1, 10000000000)"])
def test_cancelling_stops_the_processor(queries: QueryEngine, sql: str):
    running = started(queries, sql)
    assert not running.wait(0.3)
    running.cancel()
    assert running.state is RunState.CANCELLED
    with pytest.raises(Cancelled):
        next(running.batches())
    assert_cpu_is_quiet()


def test_the_reader_is_told_the_reason(queries: QueryEngine):
    running = started(queries, LONG)
    running.cancel(Cancelled("statement_seconds_max reached"))
    with pytest.raises(Cancelled, match="statement_seconds_max reached"):
        next(running.batches())


def test_dropping_the_reader_stops_the_statement(queries: QueryEngine):
    reader = started(queries, ENDLESS_ROWS).reader()
    reader.read_next_batch()
    del reader
    gc.collect()
    assert_cpu_is_quiet()


def test_dropping_a_reader_that_never_read_stops_the_statement(queries: QueryEngine):
    reader = started(queries, LONG).reader()
    del reader
    gc.collect()
    assert_cpu_is_quiet()


def test_a_slow_reader_holds_the_statement_back(queries: QueryEngine):
    running = started(queries, ENDLESS_ROWS)
    assert running.wait(5)
    assert_cpu_is_quiet()
    reader = running.reader()
    seen = sum(reader.read_next_batch().num_rows for _ in range(100))
    assert seen > 100_000
    running.cancel()


def test_an_error_comes_after_the_rows_before_it(queries: QueryEngine):
    running = started(queries, "SELECT 100 / (value - 300000) FROM generate_series(1, 400000)")
    with pytest.raises(InvalidRequest, match="division by zero"):
        list(running.batches())
    assert running.state is RunState.FAILED


def test_the_reader_raises_what_the_caller_wants_raised(queries: QueryEngine):
    def as_value_error(error: FrostlineError) -> BaseException:
        return ValueError(f"{error.sqlstate}: {error.message}")

    reader = started(queries, "SELECT 1 / (value - 1) FROM generate_series(1, 3)").reader(as_value_error)
    with pytest.raises(ValueError, match="22012: division by zero"):
        reader.read_all()


def test_collect_notices_that_its_caller_is_gone(queries: QueryEngine):
    with pytest.raises(Cancelled):
        queries.collect(queries.plan(LONG, SCOPE), cancelled=lambda: True)
    assert_cpu_is_quiet()


def test_sorting_more_than_the_memory_spills(queries: QueryEngine, directory: Path):
    sql = (
        "SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY value % 1000003) r FROM generate_series(1, 6000000))"
    )
    assert queries.collect(queries.plan(sql, SCOPE), lambda: False).to_pylist() == [{"count(*)": 6_000_000}]
    left = [path for path in (directory / "spill").rglob("*") if path.is_file()]
    assert left == []


@pytest.fixture
def own(tmp_path: Path) -> Iterator[QueryEngine]:
    """An engine that the test may close, over a spill directory that a crash left full."""
    (tmp_path / "spill" / "datafusion-old").mkdir(parents=True)
    (tmp_path / "spill" / "datafusion-old" / "x.tmp").write_bytes(b"x")
    engine = QueryEngine(QuerySettings(), tmp_path / "spill", only_local(LocalStore(tmp_path / "cold")))
    yield engine
    engine.close()


def test_left_over_spill_files_are_removed_at_the_start(own: QueryEngine, tmp_path: Path):
    assert [path for path in (tmp_path / "spill").rglob("*") if path.is_file()] == []


def test_closing_ends_what_runs_and_refuses_more(own: QueryEngine):
    running = started(own, LONG)
    plan = own.plan("SELECT 1", SCOPE)
    own.close()
    with pytest.raises(Cancelled):
        next(running.batches())
    with pytest.raises(Cancelled, match="stopping"):
        own.start(plan)


def test_the_time_zone_of_the_scope_holds(queries: QueryEngine):
    scope = QueryScope(DatabaseState(), time_zone="+05:00")
    plan = queries.plan("SELECT arrow_typeof(now()) AS t", scope)
    assert queries.collect(plan, lambda: False).to_pylist() == [{"t": 'Timestamp(µs, "+05:00")'}]
