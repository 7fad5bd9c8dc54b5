"""Which plans run apart, and which do not: a usual statement must not pay for what nobody asked."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest
from datafusion import SessionContext, SQLOptions

from flight_server.query.apart import Bounds
from flight_server.query.engine import QueryEngine
from flight_server.sandbox import functions
from flight_server.sandbox.growth import bounds_of
from storage.catalog.schema import write_fill
from tests.sandbox.hostile import engine_functions
from tests.support.query_database import NOW_MS, Database, column, seq_at

USUAL = (
    "SELECT 1",
    "SELECT s, count(*), avg(n) FROM t WHERE s LIKE '%a%' GROUP BY s HAVING count(*) > 1 ORDER BY 2 DESC LIMIT 10",
    "SELECT concat(s, '-', r), s || ' ' || r || ' ' || CAST(n AS VARCHAR) FROM t",
    "SELECT replace(replace(replace(s, ',', ''), '.', ''), ' ', '_') FROM t",
    "SELECT regexp_replace(s, '[^a-z]+', '', 'g'), s ~ '^a.*z$', s SIMILAR TO 'a%' FROM t",
    "SELECT lpad(s, 10, '0'), rpad(s, 20), repeat('-', 40), left(s, 3), substr(s, 1, n), trim(s), upper(s) FROM t",
    "SELECT to_char(now(), '%Y-%m-%d'), date_trunc('month', now()), extract(year FROM now())",
    "SELECT string_agg(s, ', '), array_agg(n), first_value(s ORDER BY n) FROM t",
    "SELECT approx_percentile_cont(n, 0.5), approx_percentile_cont(n, 0.9, 200), median(n) FROM t",
    "SELECT row_number() OVER (PARTITION BY s ORDER BY n), lag(n, 5) OVER (ORDER BY n) FROM t",
    "SELECT CASE WHEN n > 1 THEN 'a' ELSE s END, coalesce(s, 'x'), nullif(s, '') FROM t",
    "SELECT [s, r], l[1], array_length(l), array_to_string(l, ','), l[1:2] FROM t",
    "SELECT * FROM t JOIN t u ON t.n = u.n AND t.s < u.s",
    "SELECT s FROM t WHERE n IN (SELECT max(n) FROM t GROUP BY s) AND EXISTS (SELECT 1 FROM t v WHERE v.n > 1)",
    "SELECT s FROM t WHERE EXISTS (SELECT 1 FROM t v WHERE v.n = t.n) AND n > (SELECT avg(n) FROM t w WHERE w.s = t.s)",
    "SELECT count(*) FROM t GROUP BY ROLLUP (s, r)",
    "SELECT count(*) FROM generate_series(1, 1000000000)",
    "SELECT DISTINCT ON (s) s, n FROM t ORDER BY s, n",
    "SELECT concat(" + ", ".join(f"s{i}" for i in range(60)) + ") FROM wide",
    "SELECT CAST(NULL AS INT[3]), arrow_cast(n, 'Int32'), arrow_cast(NULL, 'FixedSizeBinary(16)') FROM t",
    "SELECT s FROM t WHERE s IN (" + ", ".join(f"'{i}'" for i in range(2000)) + ")",
)
UNBOUNDED = (
    "SELECT repeat('a', 2147483647)",
    "SELECT repeat(s, n) FROM t",
    "SELECT repeat('a', 1000 * 1000)",
    "SELECT lpad(s, n) FROM t",
    "SELECT replace(s, r, s) FROM t",
    "SELECT replace(s, '', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') FROM t",
    "SELECT regexp_replace(s, r, 'x') FROM t",
    "SELECT s ~ r FROM t",
    "SELECT s ~ '(a{1000}){1000}' FROM t",
    "SELECT s LIKE r FROM t",
    "SELECT range(0, n) FROM t",
    "SELECT generate_series(1, 10)",
    "SELECT unnest(l) FROM t",
    "SELECT levenshtein(s, r) FROM t",
    "SELECT array_has_any(l, l) FROM t",
    "SELECT array_to_string(l, s) FROM t",
    "SELECT array_repeat(l, n) FROM t",
    "SELECT array_resize(l, 100000000) FROM t",
    "SELECT approx_percentile_cont(n, 0.5, 10000 * 10000) FROM t",
    "SELECT string_agg(s, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') FROM t",
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5) SELECT * FROM r",
    "SELECT concat(a, a, a, a, a) FROM (SELECT concat(s, s, s, s, s) AS a FROM t)",
    "SELECT concat(" + ", ".join(["s"] * 17) + ") FROM t",
    "SELECT length(concat(" + ", ".join(["s"] * 17) + ")) FROM t",
    "SELECT n FROM (SELECT s || s || s || s || s AS a, n FROM t) WHERE a || a || a || a || a > 'x'",
    "SELECT n FROM t WHERE concat(" + ", ".join(["s"] * 17) + ") = 'x'",
    "SELECT date_part('year', CAST(repeat(s, 20) AS DATE)) FROM t",
    "VALUES (1), (2), (3), (4), (5), (6), (length(repeat('a', 2147483647)))",
    "SELECT s FROM t WHERE n IN (SELECT length(repeat(s, n)) FROM t)",
    "SELECT (SELECT repeat(max(s), 1000000) FROM t)",
    "SELECT CAST(NULL AS INT[100000000])",
    "SELECT arrow_cast(NULL, 'FixedSizeList(1000, FixedSizeList(1000, Int64))')",
    "SELECT arrow_cast(NULL, 'FixedSizeBinary(2000000000)')",
    "SELECT 1 ORDER BY length(repeat('a', 2147483647))",
    "SELECT count(*) FILTER (WHERE length(repeat(s, n)) > 1) FROM t",
    "SELECT sum(length(repeat(s, n))) OVER () FROM t",
    "SELECT sum(n) OVER (PARTITION BY repeat(s, n)) FROM t",
    "SELECT sum(n) OVER (ORDER BY repeat(s, n)), repeat(s, 3) FROM t",
    "SELECT array_agg(n ORDER BY repeat(s, n)) FROM t",
    "SELECT string_agg(repeat(s, 2), ',') FILTER (WHERE repeat(s, n) > '') FROM t",
    "SELECT max(n) FROM t GROUP BY repeat(s, n)",
    "SELECT max(n) FROM t GROUP BY GROUPING SETS ((repeat(s, n)), (s))",
    "SELECT t.n FROM t JOIN t u ON repeat(t.s, t.n) = u.s",
    "EXPLAIN SELECT repeat('a', 2147483647)",
)


@pytest.fixture(scope="module")
def context() -> SessionContext:
    made = SessionContext()
    rows = pa.record_batch({"s": ["a"], "r": ["b"], "n": [1], "l": [[1, 2]]})
    made.register_record_batches("t", [[rows]])
    made.register_record_batches("wide", [[pa.record_batch({f"s{i}": ["a"] for i in range(60)})]])
    return made


def bounds(context: SessionContext, sql: str) -> Bounds:
    plan = context.sql_with_options(sql, SQLOptions()).logical_plan()
    return bounds_of(plan, plan.display_indent(), sql, None)


@pytest.mark.parametrize("sql", USUAL)
def test_a_usual_statement_runs_here(context: SessionContext, sql: str):
    assert bounds(context, sql) == Bounds()


@pytest.mark.parametrize("sql", UNBOUNDED)
def test_what_nothing_bounds_runs_apart(context: SessionContext, sql: str):
    assert bounds(context, sql).apart


def test_a_long_text_of_the_statement_makes_batches_small(context: SessionContext):
    text = "x" * 100_000
    assert bounds(context, f"SELECT '{text}' AS a FROM t") == Bounds(batch_rows=1024)
    assert bounds(context, f"SELECT concat(s, '{text}') FROM t").batch_rows == 1024
    assert bounds(context, f"SELECT s FROM t WHERE s = '{text}'") == Bounds()
    assert bounds(context, f"VALUES ('{text}'), ('{text}')") == Bounds()
    assert bounds(context, f"SELECT $$ {text} $$ AS a FROM t").batch_rows == 1024


def test_a_long_value_of_older_rows_makes_batches_small(engine: QueryEngine, directory: Path):
    db = Database(engine, directory / "cold")
    table = db.table("grown", column("id", pa.int64()))
    db.file(table, [seq_at(NOW_MS, number) for number in range(1, 2001)], id=list(range(2000)))
    fill = write_fill(pa.array(["x" * 500_000]))
    db.altered(table, columns=(*table.columns, column("later", pa.string(), fill=fill)))
    plan = engine.plan("SELECT id, later FROM grown", db.scope())
    assert plan.bounds == Bounds(batch_rows=256)
    sizes = [batch.num_rows for batch in engine.stream(plan, lambda: False)]
    assert sum(sizes) == 2000
    assert max(sizes) <= 256


def test_large_rows_are_read_in_small_batches(engine: QueryEngine, directory: Path):
    db = Database(engine, directory / "cold")
    table = db.table("documents", column("id", pa.int64()), column("body", pa.binary()))
    bodies = [random.Random(number).randbytes(40_000) for number in range(2000)]
    db.file(table, [seq_at(NOW_MS, number) for number in range(1, 2001)], id=list(range(2000)), body=bodies)
    plan = engine.plan("SELECT * FROM documents", db.scope())
    assert plan.bounds == Bounds(batch_rows=512)
    assert sum(batch.num_rows for batch in engine.stream(plan, lambda: False)) == 2000


def test_each_function_of_the_engine_has_a_class_and_only_one():
    classes = [
        functions.FIXED,
        functions.PASSING,
        functions.JOINING,
        functions.MULTIPLYING,
        frozenset(functions.COUNTED),
        functions.CASTING,
        functions.APART,
    ]
    assert sum(map(len, classes)) == len(functions.KNOWN)
    assert set(engine_functions()) - functions.KNOWN == set()
    assert functions.KNOWN - set(engine_functions()) == {"||", "list_min"}
