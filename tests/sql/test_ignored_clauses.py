"""Clauses that the engine would read and forget are refused wherever a query may stand; names that look so are not."""

from __future__ import annotations

import pytest

from flight_server.query.sessions.functions import functions, names_of, only_scalar
from storage.errors import FrostlineError, NotSupported
from tests.support.parsed import parse

CLAUSES = [
    "SELECT a FROM t TABLESAMPLE SYSTEM (10)",
    "SELECT a FROM t tablesample bernoulli (10) repeatable (3)",
    "SELECT a FROM t AS x TABLESAMPLE (1 ROWS)",
    "SELECT a FROM t x TABLESAMPLE (1 PERCENT)",
    'SELECT a FROM "T" SAMPLE (10)',
    "SELECT a FROM t SAMPLE 0.1",
    "SELECT a FROM (SELECT 1) q TABLESAMPLE SYSTEM (10)",
    "SELECT a FROM generate_series(1, 2) TABLESAMPLE SYSTEM (10)",
    "SELECT a FROM t JOIN u TABLESAMPLE SYSTEM (1) ON true",
    "SELECT a FROM t FOR UPDATE",
    "SELECT a FROM t WHERE a = 1 FOR SHARE",
    "SELECT a FROM t ORDER BY a LIMIT 1 FOR UPDATE OF t NOWAIT",
    "SELECT a FROM t FOR NO KEY UPDATE",
    "SELECT a FROM t FOR KEY SHARE SKIP LOCKED",
    "SELECT a FROM t FOR XML AUTO",
    "SELECT a FROM t FOR JSON PATH",
    "SELECT a FROM t FOR BROWSE",
    "SELECT a FROM t LIMIT 1 BY a",
    "SELECT a FROM t SETTINGS max_threads = 1",
    "SELECT a FROM t LIMIT 1 SETTINGS x = 1, y = 2 FORMAT JSON",
    "SELECT a FROM t FORMAT JSON",
    "SELECT a FROM t WHERE a IS NULL FORMAT Null",
    "SELECT a FROM t GROUP BY ALL FORMAT TSV",
    "SELECT a FROM t PREWHERE a = 1",
    "SELECT a FROM t PREWHERE a = 1 WHERE b = 2",
    "SELECT a FROM t WITH (NOLOCK)",
    "SELECT a FROM t AS x WITH (INDEX(i)) WHERE a = 1",
    "SELECT a FROM t WITH ORDINALITY",
    "SELECT a FROM unnest([1]) WITH ORDINALITY AS x (a, n)",
    "SELECT a FROM t PARTITION (p0)",
    "SELECT a FROM t GLOBAL JOIN u USING (a)",
    "SELECT a FROM t GLOBAL LEFT JOIN u USING (a)",
    "SELECT a FROM t CONNECT BY PRIOR a = b",
    "SELECT a FROM t START WITH a = 1 CONNECT BY PRIOR a = b",
    "SELECT * ILIKE '%a%' FROM t",
    "SELECT 1, t.* ILIKE '%a%' FROM t",
    "SELECT a, count(*) FROM t GROUP BY a WITH ROLLUP",
    "SELECT a, count(*) FROM t GROUP BY a, b WITH CUBE HAVING true",
    "SELECT a, count(*) FROM t GROUP BY ROLLUP (a) WITH TOTALS",
    "SELECT sum(a) OVER (w) FROM t WINDOW w AS (PARTITION BY b)",
    'SELECT sum(a) OVER ("w" ORDER BY b) FROM t WINDOW "w" AS (PARTITION BY b)',
    "SELECT sum(a) OVER (w ROWS 1 PRECEDING) FROM t WINDOW w AS (ORDER BY a)",
    "SELECT sum(a) OVER w FROM t WINDOW v AS (PARTITION BY b), w AS (v ORDER BY a)",
    "SELECT * FROM (FROM t) q",
    "WITH q AS (SELECT 1) FROM q",
    "SELECT 1 UNION FROM t",
    "SELECT 1 UNION ALL FROM t",
]
PLACES = [
    "{}",
    "EXPLAIN {}",
    "CREATE VIEW v AS {}",
    "CREATE VIEW v (c) AS {}",
    "CREATE OR REPLACE TABLE x WITH (compression = 'zstd') AS {}",
    "CREATE TABLE x AS ({})",
    "INSERT INTO x {}",
    "INSERT INTO x (a) {}",
    "SELECT * FROM ({}) q",
    "WITH q AS ({}) SELECT * FROM q",
    "SELECT a FROM u WHERE a IN ({})",
    "DELETE FROM u WHERE a IN ({})",
    "UPDATE u SET a = ({})",
    "SELECT 1 UNION ALL ({})",
    "MERGE INTO u USING ({}) s ON true WHEN MATCHED THEN DELETE",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("clause", CLAUSES)
def test_a_clause_that_would_be_forgotten_is_refused(clause: str, place: str):
    with pytest.raises(FrostlineError) as caught:
        parse(place.format(clause))
    assert caught.value.sqlstate == "0A000"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sample, tablesample, format, settings, prewhere, final, global, partition, start, connect FROM t",
        "SELECT t.sample, t.format FROM t AS format ORDER BY format.a DESC",
        "SELECT a sample FROM t ORDER BY format DESC, settings",
        "SELECT a AS format FROM t WHERE format = 'JSON' AND settings = 1 GROUP BY format HAVING sample > 1",
        "SELECT a format FROM t",
        "WITH sample (a, b) AS (SELECT 1, 2), cube AS (SELECT 1) SELECT * FROM sample, cube",
        "WITH RECURSIVE sample (a) AS (SELECT 1) SELECT * FROM sample",
        "INSERT INTO sample (a) VALUES (1)",
        "INSERT INTO x WITH cube AS (SELECT 1 AS a) SELECT a FROM cube",
        "CREATE TABLE sample (format TEXT, settings INT, prewhere INT)",
        "CREATE TABLE IF NOT EXISTS sample (a INT) WITH (compression = 'zstd')",
        "CREATE OR REPLACE VIEW sample (a) AS SELECT 1",
        "ALTER TABLE t ADD COLUMN format INT",
        "ALTER TABLE t DROP COLUMN settings",
        "SELECT substring(a FROM 1 FOR share) FROM t",
        "SELECT extract(year FROM a), trim(FROM a), a IS DISTINCT FROM b FROM t",
        "SELECT a FROM t FOR SYSTEM_TIME AS OF '2026-01-31'",
        "SELECT sum(a) OVER (PARTITION BY b), sum(a) OVER w, sum(a) OVER () FROM t WINDOW w AS (ORDER BY a)",
        "SELECT a FROM t WHERE b ILIKE '%a%' AND 2 * a > 1",
        "SELECT a FROM t LIMIT 1",
        "SELECT * FROM (FROM t SELECT a) q",
        "SELECT * FROM (t JOIN u USING (a)) q",
        "SUBSCRIBE TO SELECT * FROM t WITH (last_rows = 1)",
        "SHOW STATS FOR TABLE share",
        "SHOW GRANTS FOR share",
        "SELECT 'FOR UPDATE', \"FOR\" FROM t -- TABLESAMPLE (1)",
    ],
)
def test_names_texts_and_clauses_that_are_heeded_pass(sql: str):
    parse(sql)


@pytest.mark.parametrize("name", ["upper", "COALESCE", '"round"', "date_trunc"])
@pytest.mark.parametrize(
    "call",
    [
        "{}(a) OVER ()",
        "{}(a) OVER w",
        "{}(a) FILTER (WHERE a > 1)",
        "{}(a) IGNORE NULLS",
        "{}(a) RESPECT NULLS OVER ()",
        "{}(a) WITHIN GROUP (ORDER BY a)",
        "{}(DISTINCT a)",
        "{}(a ORDER BY b)",
    ],
)
def test_a_function_of_single_rows_takes_no_clause_of_aggregates(name: str, call: str):
    with pytest.raises(FrostlineError) as caught:
        parse(f"SELECT {call.format(name)} FROM t")
    assert caught.value.sqlstate == "42809"
    assert name.strip('"').lower() in str(caught.value)


@pytest.mark.parametrize("name", sorted(names_of("WINDOW")))
def test_a_function_of_windows_takes_no_distinct(name: str):
    with pytest.raises(NotSupported, match="DISTINCT"):
        parse(f"SELECT {name}(DISTINCT a) OVER (ORDER BY a) FROM t")


@pytest.mark.parametrize("name", sorted(names_of("AGGREGATE") - names_of("WINDOW")))
def test_aggregates_take_all_of_them(name: str):
    parse(f"SELECT {name}(DISTINCT a ORDER BY b) FILTER (WHERE a > 1) OVER (ORDER BY a), {name}(a) IGNORE NULLS FROM t")


def test_the_engine_lists_its_functions():
    assert {"upper", "lower", "coalesce", "now"} <= only_scalar()
    assert {"sum", "count", "string_agg"} <= names_of("AGGREGATE")
    assert {"rank", "lag"} <= names_of("WINDOW")
    assert all(function.name == function.name.lower() for function in functions())
