"""A statement that runs apart answers as one that runs here: rows, types, names, errors, whatever it reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flight_server.parser.text.made_names import version_name
from flight_server.query.engine import QueryEngine
from storage.catalog.names import TableName
from storage.catalog.schema import TableKind
from storage.catalog.table_options import TableOptions
from storage.errors import FrostlineError
from tests.query.states import STATES, in_state
from tests.support.query_database import NOW_MS, Database, column, seq_at

ROWS = pa.table(
    {
        "id": pa.array(range(40), pa.int64()),
        "s": pa.array([None if i % 7 == 0 else f"é{i}" for i in range(40)]),
        "n": pa.array([i * i for i in range(40)], pa.int32()),
        "l": pa.array([list(range(i % 4)) for i in range(40)], pa.list_(pa.int64())),
        "t": pa.array([i * 86_400_000_000 for i in range(40)], pa.timestamp("us", "UTC")),
        "d": pa.array([i * 100 for i in range(40)], pa.int32()).cast(pa.decimal128(12, 2)),
    }
)
ASKED = (
    "SELECT * FROM r ORDER BY id",
    "SELECT s, count(*), sum(d) FROM r GROUP BY s ORDER BY s NULLS FIRST",
    "SELECT a.id, b.n FROM r a JOIN r b ON a.id = b.n ORDER BY 1",
    "SELECT id, _seq, _updated, _deleted FROM r ORDER BY id",
    "SELECT max(t), min(d), array_agg(id ORDER BY id) FROM r",
    "SELECT unnest(l) AS u FROM r UNION ALL SELECT 2.5 ORDER BY 1",
    "SELECT repeat('*', id) AS bar FROM r WHERE id < 5 ORDER BY id",
    "SELECT v.s FROM long v ORDER BY 1",
    "SELECT id, id FROM r WHERE id = 3",
    "SELECT count(*) FROM given",
    "SELECT name FROM system.things",
    "SELECT 1/0 FROM r",
    "SELECT CAST(s AS INT) FROM r WHERE id = 30",
    "SELECT now() AT TIME ZONE 'UTC' IS NOT NULL",
    "SELECT current_schema, TIMESTAMP '2024-06-01 12:00:00+02:00'",
)


def answer(engine: QueryEngine, db: Database, sql: str, params: Mapping[str, Any] | None = None, **scope: Any) -> Any:
    """(schema, rows), or (class of the error, its words, SQLSTATE)."""
    given = {"given": pa.table({"x": [1, 2, 3]})}
    virtual = {TableName("system", "things"): lambda: pa.table({"name": ["a", "b"]})}
    asked = db.scope(extra=given, virtual=virtual, words=lambda: {"CURRENT_SCHEMA": "public"}, **scope)
    try:
        rows = engine.collect(engine.plan(sql, asked, params), lambda: False)
    except FrostlineError as error:
        return type(error), error.message, error.sqlstate
    return rows.schema, rows.to_pylist()


@pytest.fixture(scope="module", params=STATES)
def db(request: pytest.FixtureRequest, here: QueryEngine, directory: Path) -> Database:
    made = in_state(request.param, here, directory / "cold", {"r": ROWS}, r=("id",))
    made.view("long", "SELECT s FROM r WHERE n > 900")
    return made


@pytest.mark.parametrize("sql", ASKED)
def test_a_statement_answers_the_same(here: QueryEngine, apart: QueryEngine, db: Database, sql: str):
    assert answer(apart, db, sql, time_zone="+02:00") == answer(here, db, sql, time_zone="+02:00")


def test_parameters_go_along_in_their_types(here: QueryEngine, apart: QueryEngine, db: Database):
    params = {"1": pa.scalar(7, pa.int8()), "2": pa.scalar("é8"), "3": pa.scalar(None, pa.string())}
    sql = "SELECT id, $2 AS given FROM r WHERE id = $1 OR s = $2 OR s = $3 ORDER BY id"
    assert answer(apart, db, sql, params) == answer(here, db, sql, params)


def test_an_earlier_version_is_what_it_was(here: QueryEngine, apart: QueryEngine, db: Database):
    sql = f"SELECT id FROM {version_name('r', seq_at(NOW_MS, 20))} ORDER BY id"
    assert answer(apart, db, sql) == answer(here, db, sql)


def test_rows_that_alone_matter_go_along(here: QueryEngine, apart: QueryEngine, db: Database):
    one = ROWS.slice(3, 1).to_batches()[0]
    asked: dict[str, Any] = {"only": lambda _: one}
    assert answer(apart, db, "SELECT * FROM r", **asked) == answer(here, db, "SELECT * FROM r", **asked)


def test_columns_added_later_hold_what_they_held(here: QueryEngine, apart: QueryEngine, directory: Path):
    db = Database(here, directory / "cold")
    table = db.table("a", column("id", pa.int64()))
    db.file(table, [seq_at(NOW_MS, 1)], id=[1])
    db.altered(table, columns=(*table.columns, column("later", pa.string())))
    assert answer(apart, db, "SELECT * FROM a") == answer(here, db, "SELECT * FROM a")


def test_streams_show_what_is_young_enough(here: QueryEngine, apart: QueryEngine, directory: Path):
    db = Database(here, directory / "cold")
    table = db.table("e", column("x", pa.int64()), kind=TableKind.STREAM, options=TableOptions(retention_seconds=60))
    db.hot(table, [seq_at(NOW_MS - 61_000), seq_at(NOW_MS - 1_000)], x=[1, 2])
    assert answer(apart, db, "SELECT x, _seq FROM e")[1] == [{"x": 2, "_seq": seq_at(NOW_MS - 1_000)}]


def test_explain_says_that_it_runs_apart_and_tells_no_directory(apart: QueryEngine, db: Database, directory: Path):
    _, rows = answer(apart, db, "EXPLAIN ANALYZE SELECT s FROM r WHERE n > 3")
    text = "\n".join(row["plan"] for row in rows)
    assert "in a process of its own: the test says so" in text
    assert str(directory) not in text
