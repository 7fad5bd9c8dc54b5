"""Prepared statements and bound values: their types, their number, NULLs, and many rows as one run."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.support.sql_client import Client, Refused

TEXT, INT, BIG = pa.string(), pa.int32(), pa.int64()


@pytest.fixture
def t(client: Client) -> Client:
    client.do(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT, s TEXT, d DECIMAL(10, 2), ts TIMESTAMP, b BOOLEAN, y BYTEA, "
        "f DOUBLE, da DATE, l INT[], z TIMESTAMP WITH TIME ZONE, i INTERVAL, ti TIME)"
    )
    client.do("INSERT INTO t (id, n, s) VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'ab')")
    return client


@pytest.mark.parametrize(
    ("sql", "types"),
    [
        ("INSERT INTO t (s, id, d, l) VALUES (?, ?, ?, ?)", [TEXT, BIG, pa.decimal128(10, 2), pa.list_(INT)]),
        ("INSERT INTO t (id, n) VALUES (?, ?), (?, ? + 1)", [BIG, INT, BIG, BIG]),
        ("INSERT INTO t (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET n = ?, s = t.s || ?", [BIG, INT, TEXT]),
        ("INSERT INTO t (id, n) SELECT id + ?, n FROM t WHERE s = ?", [BIG, TEXT]),
        ("UPDATE t SET n = ?, s = ? WHERE id = ?", [INT, TEXT, BIG]),
        ("UPDATE t SET n = n + ? WHERE id BETWEEN ? AND ?", [INT, BIG, BIG]),
        ("DELETE FROM t WHERE id = ? AND s LIKE ? RETURNING id", [BIG, TEXT]),
        ("MERGE INTO t USING t AS o ON t.id = o.id AND o.s = $1 WHEN MATCHED THEN UPDATE SET n = $2", [TEXT, INT]),
        ("SELECT * FROM t WHERE id IN (?, ?) AND s = ?", [BIG, BIG, TEXT]),
        ("SELECT * FROM t WHERE ts > ? AND b = ? AND d < ?", [pa.timestamp("us"), pa.bool_(), pa.decimal128(10, 2)]),
        ("SELECT * FROM t LIMIT ? OFFSET ?", [BIG, BIG]),
        ("SELECT $2, $1 FROM t WHERE n = $1", [INT, TEXT]),
        ("SELECT CAST(? AS SMALLINT), ?", [pa.int16(), TEXT]),
        ("SHOW TABLES", []),
        ("TRUNCATE t", []),
    ],
)
def test_a_prepared_statement_tells_the_types_of_its_parameters(t: Client, sql: str, types: list[pa.DataType]) -> None:
    assert t.parameters(sql) == types


@pytest.mark.parametrize(
    ("sql", "params", "sqlstate"),
    [
        ("SELECT * FROM t WHERE id = ?", None, "07002"),
        ("SELECT * FROM t WHERE id = ?", (1, 2), "07001"),
        ("SELECT * FROM t", (1,), "07001"),
        ("INSERT INTO t (id, n) VALUES (?, ?)", None, "07002"),
        ("INSERT INTO t (id, n) VALUES (?, ?)", (9,), "07002"),
        ("INSERT INTO t (id, n) VALUES (?, ?)", (9, 9, 9), "07001"),
        ("UPDATE t SET n = ? WHERE id = ?", (9,), "07002"),
        ("DELETE FROM t WHERE id = ?", (1, 2), "07001"),
        ("INSERT INTO t (id, n) VALUES (?, ?)", (9, 2**40), "22003"),
        ("INSERT INTO t (id, n) VALUES (?, ?)", ("x", 1), "22P02"),
        ("INSERT INTO t (id, n) VALUES (?, ?)", (None, 1), "23502"),
        ("INSERT INTO t (id, d) VALUES (?, ?)", (9, 1e12), "22003"),
        ("INSERT INTO t (id, ts) VALUES (?, ?)", (9, "some day"), "22P02"),
    ],
)
def test_wrong_values_and_wrong_numbers_of_them_are_refused(
    t: Client, sql: str, params: tuple[object, ...] | None, sqlstate: str
) -> None:
    assert t.sqlstate(sql, params) == sqlstate
    assert t.value("SELECT sum(n) FROM t") == 60


def test_values_of_every_type_can_be_bound(t: Client) -> None:
    row = (
        9,
        5,
        "x",
        Decimal("1.50"),
        dt.datetime.fromisoformat("2024-01-01 01:02:03.000004"),
        True,
        b"\0",
        1.5,
        dt.date(2024, 1, 1),
    )
    columns = "id, n, s, d, ts, b, y, f, da"
    assert t.do(f"INSERT INTO t ({columns}, l) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, [1, 2])) == 1
    where = "d = ? AND ts = ? AND b = ? AND y = ? AND f = ? AND da = ?"
    assert t.rows(f"SELECT {columns}, l FROM t WHERE {where}", row[3:]) == [(*row, [1, 2])]


def test_bound_text_is_read_as_text_in_a_statement_is(t: Client) -> None:
    moment = dt.datetime.fromisoformat("2024-01-02 03:04:05")
    params = ("9", "1.5", "2024-01-02 03:04:05", "2024-01-02T03:04:05Z", "2024-01-02", "03:04:05", "1 month 2 days")
    t.do("INSERT INTO t (id, d, ts, z, da, ti, i) VALUES (?, ?, ?, ?, ?, ?, ?)", params)
    assert t.rows("SELECT d, ts, z, da, ti, i FROM t WHERE id = 9") == [
        (
            Decimal("1.50"),
            moment,
            moment.replace(tzinfo=dt.UTC),
            moment.date(),
            moment.time(),
            pa.MonthDayNano((1, 2, 0)),
        )
    ]
    t.do("UPDATE t SET ts = ?, i = ? WHERE id = ?", ("2025-01-01", dt.timedelta(days=1), 9))
    assert t.rows("SELECT ts FROM t WHERE id = 9") == [(dt.datetime.fromisoformat("2025-01-01"),)]


def test_null_can_be_bound_anywhere(t: Client) -> None:
    assert t.do("UPDATE t SET n = ?, s = ? WHERE id = ?", (None, None, 1)) == 1
    assert t.rows("SELECT id FROM t WHERE n IS NULL AND s IS NOT DISTINCT FROM ?", (None,)) == [(1,)]
    assert t.rows("SELECT id FROM t WHERE id = ?", (None,)) == []
    assert t.rows("SELECT ? AS a, ? AS b", (None, 1)) == [(None, 1)]


def test_many_bound_rows_are_one_run(t: Client) -> None:
    assert t.do_many("INSERT INTO t (id, n) VALUES (?, ?)", [(i, i) for i in range(100, 3100)]) == 3000
    assert t.do_many("UPDATE t SET n = ? WHERE id = ?", [(-i, i) for i in range(100, 3100)]) == 3000
    assert t.do_many("DELETE FROM t WHERE id = ?", [(i,) for i in range(100, 2100)]) == 2000
    assert t.rows("SELECT count(*), min(n), max(n) FROM t WHERE id >= 100") == [(1000, -3099, -2100)]


def test_many_bound_rows_that_meet_each_other_run_in_order(t: Client) -> None:
    assert t.do_many("UPDATE t SET n = n + ? WHERE id = ?", [(1, 1), (5, 2), (10, 1)]) == 3
    assert t.do_many("UPDATE t SET id = ? WHERE id = ?", [(50, 1), (51, 50)]) == 2
    assert t.do_many("UPDATE t SET n = (SELECT max(n) FROM t) + ? WHERE id = ?", [(100, 3), (1, 2)]) == 2
    assert t.rows("SELECT id, n FROM t ORDER BY id") == [(2, 131), (3, 130), (51, 21)]
    upsert = "INSERT INTO t (id, n) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n"
    assert t.do_many(upsert, [(7, 1), (7, 2), (3, 1)]) == 3
    assert t.rows("SELECT id, n FROM t WHERE id IN (3, 7) ORDER BY id") == [(3, 131), (7, 3)]


@pytest.mark.parametrize(
    ("sql", "rows", "sqlstate"),
    [
        ("INSERT INTO t (id, n) VALUES (?, ?)", [(8, 1), (9, 1), (1, 1)], "23505"),
        ("INSERT INTO t (id, n) VALUES (?, ? + 1)", [(8, 1), (9, 2**40)], "22003"),
        ("UPDATE t SET n = 100 / ? WHERE id = ?", [(1, 1), (0, 2)], "22012"),
        ("UPDATE t SET n = ? WHERE id = ?", [(1, 1), (2**40, 2)], "22003"),
        ("UPDATE t SET id = ? WHERE id = ?", [(9, 1), (3, 2)], "23505"),
        ("SELECT ?", [(1,), (2,)], "22023"),
        ("DELETE FROM t WHERE id = ?; SELECT 1", [(1,), (2,)], "22023"),
    ],
)
def test_one_bad_row_of_many_stores_none(t: Client, sql: str, rows: list[tuple[object, ...]], sqlstate: str) -> None:
    with pytest.raises(Refused) as refused:
        t.do_many(sql, rows)
    assert refused.value.sqlstate == sqlstate
    assert t.rows("SELECT id, n FROM t ORDER BY id") == [(1, 10), (2, 20), (3, 30)]
