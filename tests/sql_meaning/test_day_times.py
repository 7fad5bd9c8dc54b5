"""TIME and TIMESTAMP of every precision, in tables, casts and literals; times of day beside TIME columns."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from tests.support.sql_client import Client

UNITS = {0: "s", 1: "ms", 2: "ms", 3: "ms", 4: "us", 5: "us", 6: "us", 7: "ns", 8: "ns", 9: "ns"}
SHOWN = {"s": "(0)", "ms": "(3)", "us": "", "ns": "(9)"}


def _time(unit: str) -> pa.DataType:
    return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)


@pytest.mark.parametrize("digits", UNITS)
def test_a_column_has_the_unit_that_holds_its_digits(client: Client, digits: int):
    unit = UNITS[digits]
    client.do(
        f"CREATE TABLE t (a TIME({digits}), b TIMESTAMP({digits}), c TIMESTAMP({digits}) WITH TIME ZONE, "
        f"d TIMESTAMPTZ({digits}), e TIMESTAMP({digits}) WITHOUT TIME ZONE)"
    )
    moment = pa.timestamp(unit, "UTC")
    assert client.table("SELECT * FROM t").schema.types == [
        _time(unit), pa.timestamp(unit), moment, moment, pa.timestamp(unit),
    ]  # fmt: skip
    shown = [row[1] for row in client.rows("DESCRIBE t")]
    assert shown[:3] == [f"TIME{SHOWN[unit]}", f"TIMESTAMP{SHOWN[unit]}", f"TIMESTAMP{SHOWN[unit]} WITH TIME ZONE"]
    again = client.rows("SHOW CREATE TABLE t")[0][1]
    client.do("DROP TABLE t")
    client.do(again)
    assert [row[1] for row in client.rows("DESCRIBE t")] == shown
    client.do(f"ALTER TABLE t ADD COLUMN f TIME({digits})")
    client.do("INSERT INTO t (a, f) VALUES ('10:00:00', TIME '11:00:00')")
    assert client.value("SELECT count(*) FROM t WHERE f > '10:30:00'") == 1


@pytest.mark.parametrize("digits", UNITS)
@pytest.mark.parametrize("form", ["CAST({x} AS {t})", "TRY_CAST({x} AS {t})", "{x}::{t}", "({x})::{t}", "{t} {x}"])
def test_a_cast_and_a_literal_too(client: Client, digits: int, form: str):
    unit = UNITS[digits]
    types = {
        f"TIME({digits})": ("'10:00:00'", _time(unit)),
        f"TIMESTAMP({digits})": ("'2024-01-02 10:00:00'", pa.timestamp(unit)),
        f"TIMESTAMP({digits}) WITH TIME ZONE": ("'2024-01-02 10:00:00'", pa.timestamp(unit, "UTC")),
    }
    for sql_type, (value, wanted) in types.items():
        assert client.table(f"SELECT {form.format(x=value, t=sql_type)} AS x").schema.field("x").type == wanted


@pytest.mark.parametrize("sql_type", ["TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
def test_more_than_nine_digits_are_refused(client: Client, sql_type: str):
    wrong = sql_type.replace("TIME", "TIME(10)", 1) if sql_type == "TIME" else sql_type.replace("STAMP", "STAMP(10)")
    assert client.sqlstate(f"CREATE TABLE t (a {wrong})") == "22023"
    assert client.sqlstate(f"SELECT CAST(NULL AS {wrong})") == "22023"


@pytest.mark.parametrize(
    "condition",
    [
        "a = TIME '10:00:00.25'",
        "a > TIME '09:00:00'",
        "TIME '09:00:00' < a",
        "a BETWEEN TIME '09:00:00' AND TIME '11:00:00'",
        "a IN (TIME '10:00:00.25', TIME '12:00:00')",
        "a = CAST(s AS TIME)",
        "a = s::TIME",
        "a = upper(t.s)::TIME(6)",
        "a IS NOT DISTINCT FROM TIME(6) '10:00:00.25'",
        "a <= current_time OR a >= current_time",
        "coalesce(a, TIME '00:00:00') > TIME WITHOUT TIME ZONE '09:00:00'",
        "nullif(a, TIME '10:00:00.25') IS NULL",
        "CASE WHEN a IS NULL THEN TIME '09:00:00' ELSE a END = a",
        "a > ANY (ARRAY[TIME '09:00:00'])",
        "(SELECT max(a) FROM t) = TIME '10:00:00.25'",
        "CAST(a AS TIME(0)) = TIME(0) '10:00:00'",
    ],
)
def test_times_of_day_compare_with_a_column(client: Client, condition: str):
    client.do("CREATE TABLE t (a TIME, s VARCHAR); INSERT INTO t VALUES ('10:00:00.25', '10:00:00.25')")
    assert client.value(f"SELECT count(*) FROM t WHERE {condition}") == 1
    client.do(f"CREATE VIEW v AS SELECT * FROM t WHERE {condition}")
    assert client.value("SELECT count(*) FROM v") == 1
    assert client.do(f"DELETE FROM t WHERE {condition}") == 1


def test_columns_keep_their_names(client: Client):
    client.do("CREATE TABLE t (a TIME, s VARCHAR); INSERT INTO t VALUES ('10:00:00', '11:00:00')")
    client.do("CREATE TABLE u AS SELECT s::TIME, CAST(t.a AS TIME(0)), TIME '10:00:00', current_time FROM t")
    assert client.table("SELECT * FROM u").column_names == ["s", "a", "time", "current_time"]
    assert client.rows("SELECT s, a, time FROM u") == [(dt.time(11), dt.time(10), dt.time(10))]


def test_a_name_is_no_type(client: Client):
    client.do("CREATE TABLE t (time INT, at VARCHAR); INSERT INTO t VALUES (1, 'x')")
    assert client.rows("SELECT t.time, at AS time2 FROM t WHERE time > 0") == [(1, "x")]
    assert client.rows("SELECT at AS time FROM t ORDER BY time") == [("x",)]
    assert client.value("SELECT TIME '10:00:00.123456789' = TIME(9) '10:00:00.123456789'") is True
