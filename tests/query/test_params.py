"""Placeholders: the types they are given, and values bound to them."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest

from storage.errors import InvalidRequest
from tests.support.query_database import NOW_MS, Database, column, seq_at


@pytest.fixture(autouse=True)
def t(db: Database) -> None:
    table = db.table(
        "t", column("id", pa.int64()), column("s", pa.string()), column("d", pa.decimal128(10, 2)),
        column("at", pa.timestamp("us", tz="UTC")), column("u", pa.uuid()),
    )  # fmt: skip
    moment = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(int=1).bytes], pa.binary(16)))
    db.hot(table, [seq_at(NOW_MS)], id=[7], s=["seven"], d=[Decimal("7.00")], at=[moment], u=ids)


def types(db: Database, sql: str) -> dict[str, str]:
    return {name: str(kind) for name, kind in db.queries.plan(sql, db.scope()).parameters.items()}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM t WHERE id = $1 AND s LIKE $2", "int64 string"),
        ("SELECT * FROM t WHERE d > $1 AND at < $2", "decimal128(10, 2) timestamp[us, tz=UTC]"),
        ("SELECT * FROM t WHERE id IN ($1, $2) OR id BETWEEN $3 AND $4", "int64 int64 int64 int64"),
        ("SELECT id + $1, s || $2, CASE WHEN id = $3 THEN 1 END FROM t", "int64 string int64"),
        ("SELECT * FROM t LIMIT $1 OFFSET $2", "int64 int64"),
        ("SELECT CAST($1 AS INT), $2::date, TRY_CAST($3 AS DOUBLE)", "int32 date32[day] double"),
        ("SELECT s, sum(id) FROM t GROUP BY s HAVING sum(id) > $1", "int64"),
        ("SELECT * FROM t a JOIN t b ON a.id = b.id AND a.s = $1", "string"),
        ("WITH c AS (SELECT * FROM t WHERE id > $1) SELECT * FROM c WHERE s = $2", "int64 string"),
        ("SELECT * FROM t WHERE id IN (SELECT id FROM t WHERE s = $1)", "string"),
        ("SELECT * FROM t WHERE EXISTS (SELECT 1 FROM t b WHERE b.id = t.id AND b.d > $1)", "decimal128(10, 2)"),
        ("VALUES ($1, 2), (3, $2)", "int64 int64"),
        ("SELECT $1", "null"),
        ("SELECT sum($1)", "int64"),
        ("SELECT * FROM generate_series(1, $1)", "int64"),
        ("SELECT upper($1) FROM t WHERE s = '$9' -- $8", "null"),
        ("SELECT * FROM t WHERE id = $10 AND s = $2", "string int64"),
        ("EXPLAIN SELECT * FROM t WHERE id = $1", "int64"),
        ("SELECT 1", ""),
    ],
)  # fmt: skip
def test_types_are_inferred(db: Database, sql: str, expected: str):
    assert " ".join(types(db, sql).values()).strip() == expected


def test_names_come_in_numeric_order(db: Database):
    assert list(types(db, "SELECT * FROM t WHERE id = $10 AND s = $2 LIMIT $1")) == ["1", "2", "10"]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("id = $1", pa.scalar(7, pa.int16())),
        ("id = $1", pa.scalar("7")),
        ("s = $1", pa.scalar("seven", pa.large_string())),
        ("d = $1", pa.scalar(Decimal("7.0"))),
        ("d = $1", pa.scalar(7.0)),
        ("at = $1", pa.scalar(datetime.datetime(2024, 1, 2), pa.timestamp("ms"))),  # noqa: DTZ001 - as ADBC binds it
        ("u = $1", pa.scalar(uuid.UUID(int=1).bytes, pa.uuid())),
        ("$1 IS NULL", pa.scalar(None)),
        ("$1 IS NOT NULL", pa.scalar({"x": 7})),
    ],
)  # fmt: skip
def test_typed_values_bind(db: Database, where: str, value: pa.Scalar):
    assert db.rows(f"SELECT id FROM t WHERE {where}", {"1": value}) == [(7,)]


def test_a_bound_value_keeps_its_type_in_the_answer(db: Database):
    value = pa.scalar([1, 2], pa.list_(pa.int8()))
    assert db.ask("SELECT $1 AS x", {"1": value}).schema.field("x").type == pa.list_(pa.int8())


@pytest.mark.parametrize(
    ("sql", "value", "expected"),
    [
        ("SELECT sum($1)", pa.scalar(5), 5),
        ("SELECT max(value) FROM generate_series(1, $1)", pa.scalar(9), 9),
        ("SELECT min(value) FROM generate_series($1, 3)", pa.scalar(-2), -2),
        ("SELECT max($1)", pa.scalar("it's"), "it's"),
    ],
)
def test_values_work_where_the_plan_needs_them(db: Database, sql: str, value: pa.Scalar, expected: object):
    assert db.rows(sql, {"1": value}) == [(expected,)]


def test_text_in_a_value_stays_text(db: Database):
    assert db.rows("SELECT count(*) FROM t WHERE s = $1", {"1": pa.scalar("x' OR '1'='1")}) == [(0,)]


@pytest.mark.parametrize("given", [None, {"2": pa.scalar(1)}], ids=["none", "another"])
def test_a_missing_value_is_an_error_that_names_the_placeholder(db: Database, given: dict[str, pa.Scalar] | None):
    with pytest.raises(InvalidRequest, match=r"\$1") as caught:
        db.rows("SELECT id FROM t WHERE id = $1", given)
    assert caught.value.sqlstate == "07001"


def test_a_missing_table_is_said_despite_unknown_parameters(db: Database):
    with pytest.raises(Exception, match=r"'public\.nope' does not exist"):
        types(db, "SELECT sum($1) FROM nope")
