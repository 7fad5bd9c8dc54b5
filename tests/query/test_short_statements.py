"""Which statements run on the caller's thread to their end: those that end soon, whatever is in them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flight_server.query import QueryEngine, RunningQuery
from flight_server.query.bounds import SHORT_ROWS
from flight_server.query.results.running_query import FinishedQuery
from storage.errors import InvalidRequest
from tests.support.query_database import Database, column, seq_at


@pytest.fixture
def small(db: Database) -> Database:
    table = db.table("small", column("id", pa.int64()), column("names", pa.list_(pa.string())))
    db.hot(table, range(seq_at(1), seq_at(1, 3)), id=[1, 2, 3], names=[["a"], ["b", "c"], []])
    large = db.table("large", column("id", pa.int64()))
    db.hot(large, range(seq_at(1), seq_at(1, SHORT_ROWS + 1)), id=list(range(SHORT_ROWS + 1)))
    db.view("v", "SELECT id FROM large")
    return db


def runs_at_once(db: Database, sql: str) -> bool:
    running = db.queries.start(db.queries.plan(sql, db.scope()))
    assert isinstance(running, FinishedQuery | RunningQuery)
    running.cancel()
    return isinstance(running, FinishedQuery)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "VALUES (1), (2)",
        "SELECT id, upper('x') FROM small WHERE id > 1 ORDER BY id LIMIT 5",
        "SELECT id % 2, count(*), sum(id) OVER (PARTITION BY id % 2) FROM small GROUP BY id HAVING count(*) > 0",
        "SELECT DISTINCT id FROM small UNION ALL SELECT 4",
    ],
)
def test_few_rows_that_stay_few_run_at_once(small: Database, sql: str):
    assert runs_at_once(small, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM large",
        "SELECT id FROM v",
        "SELECT * FROM generate_series(1, 5)",
        "SELECT unnest(names) FROM small",
        "SELECT a.id FROM small a, small b",
        "SELECT id FROM small WHERE id IN (SELECT id FROM small)",
        "SELECT (SELECT max(id) FROM large)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT * FROM r",
        "SELECT id, count(*) FROM small GROUP BY CUBE (id, id + 1)",
        "EXPLAIN ANALYZE SELECT id FROM small",
    ],
)
def test_what_may_grow_or_last_is_a_stream_that_can_be_cancelled(small: Database, sql: str):
    assert not runs_at_once(small, sql)


def test_the_rows_are_those_that_a_stream_would_give(small: Database):
    sql = "SELECT id, names FROM small WHERE id > 1 ORDER BY id DESC"
    assert small.rows(sql) == [(3, []), (2, ["b", "c"])]
    assert small.ask("SELECT id FROM small WHERE id > 9").num_rows == 0


def test_an_error_while_running_is_the_same_kind(queries: QueryEngine, small: Database):
    with pytest.raises(InvalidRequest) as caught:
        small.rows("SELECT 1 / (id - 1) FROM small")
    assert caught.value.sqlstate == "22012"


def test_a_table_named_often_counts_each_time(small: Database):
    table = small.table("medium", column("id", pa.int64()))
    small.hot(table, range(seq_at(1), seq_at(1, SHORT_ROWS // 2)), id=list(range(SHORT_ROWS // 2)))
    assert runs_at_once(small, "SELECT id FROM medium UNION ALL SELECT id FROM medium")
    assert not runs_at_once(
        small, "SELECT id FROM medium UNION ALL SELECT id FROM medium UNION ALL SELECT id FROM medium"
    )
