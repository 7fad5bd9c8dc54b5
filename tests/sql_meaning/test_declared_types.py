"""Every type of the SQL reference: declared, filled by literals, read back; and values that do not fit."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from tests.support.sql_client import Client

_AT = dt.datetime.fromisoformat
TYPES: list[tuple[str, pa.DataType, str, Any]] = [
    ("BOOLEAN", pa.bool_(), "true", True),
    ("TINYINT", pa.int8(), "-128", -128),
    ("SMALLINT", pa.int16(), "32767", 32767),
    ("INTEGER", pa.int32(), "-2147483648", -(2**31)),
    ("BIGINT", pa.int64(), "9223372036854775807", 2**63 - 1),
    ("TINYINT UNSIGNED", pa.uint8(), "255", 255),
    ("SMALLINT UNSIGNED", pa.uint16(), "65535", 65535),
    ("INT UNSIGNED", pa.uint32(), "4294967295", 2**32 - 1),
    ("BIGINT UNSIGNED", pa.uint64(), "18446744073709551615", 2**64 - 1),
    ("REAL", pa.float32(), "1.5", 1.5),
    ("DOUBLE", pa.float64(), "1.7976931348623157e308", 1.7976931348623157e308),
    ("FLOAT", pa.float64(), "0.1", 0.1),
    ("DECIMAL(38, 10)", pa.decimal128(38, 10), f"'{'9' * 28}.9999999999'", Decimal("9" * 28 + ".9999999999")),
    ("DECIMAL(5)", pa.decimal128(5, 0), "-99999", Decimal(-99999)),
    ("VARCHAR", pa.string(), "'it''s ü'", "it's ü"),
    ("VARCHAR(3)", pa.string(), "'äöü'", "äöü"),
    ("CHAR(3)", pa.string(), "'a'", "a"),
    ("TEXT", pa.string(), "''", ""),
    ("BYTEA", pa.binary(), "x'00ff'", b"\0\xff"),
    ("BLOB", pa.binary(), "x''", b""),
    ("VARBINARY(2)", pa.binary(), "x'00ff'", b"\0\xff"),
    ("BINARY(2)", pa.binary(2), "x'00ff'", b"\0\xff"),
    ("DATE", pa.date32(), "'0001-01-01'", dt.date(1, 1, 1)),
    ("TIME", pa.time64("us"), "'23:59:59.999999'", dt.time(23, 59, 59, 999999)),
    ("TIME(0)", pa.time32("s"), "TIME '01:02:03'", dt.time(1, 2, 3)),
    ("TIMESTAMP", pa.timestamp("us"), "'9999-12-31 23:59:59.999999'", _AT("9999-12-31 23:59:59.999999")),
    ("TIMESTAMP(3)", pa.timestamp("ms"), "TIMESTAMP '2024-01-01 00:00:00.123'", _AT("2024-01-01 00:00:00.123")),
    ("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "UTC"), "'2024-01-01T02:00:00+02:00'", _AT("2024-01-01T00:00Z")),
    ("TIMESTAMPTZ", pa.timestamp("us", "UTC"), "'1970-01-01 00:00:00Z'", _AT("1970-01-01T00:00Z")),
    ("INTERVAL", pa.month_day_nano_interval(), "INTERVAL '1 month -2 days'", pa.MonthDayNano((1, -2, 0))),
    ("UUID", pa.string(), "'6BA7B810-9DAD-11D1-80B4-00C04FD430C8'", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ("JSON", pa.string(), "'{\"a\": [1, null]}'", '{"a": [1, null]}'),
    ("INT[]", pa.list_(pa.int32()), "[1, NULL, 3]", [1, None, 3]),
    ("TEXT[][]", pa.list_(pa.list_(pa.string())), "[['a'], []]", [["a"], []]),
    ("INT[2]", pa.list_(pa.int32(), 2), "[1, 2]", [1, 2]),
    (
        'STRUCT<a INT, "B" TEXT[]>',
        pa.struct([("a", pa.int32()), ("B", pa.list_(pa.string()))]),
        "named_struct('a', 1, 'B', ['x'])",
        {"a": 1, "B": ["x"]},
    ),
    ("MAP<TEXT, DOUBLE>", pa.map_(pa.string(), pa.float64()), "map {'k': 1.5}", [("k", 1.5)]),
]


def test_every_declared_type_holds_its_values_hot_and_cold(client: Client) -> None:
    declared = ", ".join(f"c{i} {sql}" for i, (sql, _, _, _) in enumerate(TYPES))
    client.do(f"CREATE TABLE t (id INT, {declared})")
    client.do(f"INSERT INTO t VALUES (1, {', '.join(literal for _, _, literal, _ in TYPES)})")
    client.do("INSERT INTO t (id) VALUES (2)")
    for _ in ("hot", "cold", "compacted"):
        got = client.table("SELECT * FROM t ORDER BY id")
        for i, (sql, arrow, _, value) in enumerate(TYPES):
            column = got.column(f"c{i}")
            assert column.type == arrow, sql
            assert column.to_pylist() == [value, None], sql
        client.flush("t")
        client.do("UPDATE t SET id = id")


@pytest.mark.parametrize("case", TYPES, ids=lambda case: case[0])
def test_every_declared_type_takes_its_own_values_as_parameters(client: Client, case: tuple[Any, ...]) -> None:
    sql, arrow, literal, value = case
    client.do(f"CREATE TABLE t (v {sql}); INSERT INTO t VALUES ({literal})")
    bound = client.table("SELECT v FROM t")
    client.do("INSERT INTO t VALUES (?)", bound)
    assert client.table("SELECT v FROM t").column("v").type == arrow
    assert client.rows("SELECT v FROM t") == [(value,), (value,)]


@pytest.mark.parametrize(
    ("sql_type", "literal", "sqlstate"),
    [
        ("TINYINT", "128", "22003"),
        ("BIGINT", "9223372036854775808", "22003"),
        ("INT UNSIGNED", "-1", "22003"),
        ("REAL", "1e40", "22003"),
        ("DECIMAL(5, 2)", "1000", "22003"),
        ("DECIMAL(38, 10)", "1e30", "22003"),
        ("INT", "'x'", "22P02"),
        ("BOOLEAN", "'maybe'", "22P02"),
        ("DATE", "'2024-02-30'", "22P02"),
        ("TIMESTAMP", "'some day'", "22P02"),
        ("UUID", "'6ba7b810'", "22P02"),
        ("JSON", "'{a}'", "22P02"),
        ("VARCHAR(3)", "'abcd'", "22001"),
        ("CHAR(3)", "'abcd'", "22001"),
        ("VARBINARY(2)", "x'000102'", "22001"),
        ("BINARY(2)", "x'00'", "22000"),
        ("INT[2]", "[1, 2, 3]", "22P02"),
        ("INT[]", "['x']", "22P02"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_naming_the_column(
    client: Client, sql_type: str, literal: str, sqlstate: str
) -> None:
    client.do(f"CREATE TABLE t (id INT, strange {sql_type})")
    for sql in (
        f"INSERT INTO t VALUES (1, NULL), (2, {literal})",
        f"INSERT INTO t (strange, id) SELECT {literal}, 3",
    ):
        refused = client.refusal(sql)
        assert refused.sqlstate == sqlstate, refused
        assert "strange" in refused.message, refused
    assert client.rows("SELECT * FROM t") == []


OTHER_NAMES = (
    "BOOL BIT BIT(1) INT1 BYTE INT2 INT4 INT8 UTINYINT UINT1 USMALLINT UINT2 UINTEGER UINT UINT4 UBIGINT UINT8 FLOAT4 "
    "FLOAT8 FLOAT(24) FLOAT(53) DOUBLE_PRECISION DEC DEC(5,2) NUMERIC(5) STRING CLOB NVARCHAR NVARCHAR(5) NCHAR(5) "
    "CHARACTER CHARACTER(5) CHARACTER_VARYING CHARACTER_VARYING(5) CHAR_VARYING(5) BYTES BINARY BINARY_VARYING(4) "
    "DATETIME DATETIME(3) TIMESTAMP(2)_WITHOUT_TIME_ZONE INT_ARRAY ARRAY<BYTE> BIT(1)[] STRUCT<bit_BIT,f_FLOAT> "
    "ROW(a_INT)"
)
ONLY_DECLARED = ("UUID", "JSON", "BINARY(2)")


def test_a_cast_takes_each_type_under_each_name_and_gives_what_a_column_has(client: Client) -> None:
    names = [*(name for name, *_ in TYPES), *(name.replace("_", " ") for name in OTHER_NAMES.split())]
    for name in names:
        if name in ONLY_DECLARED or "MAP" in name:
            continue
        client.do(f"CREATE OR REPLACE TABLE declared (a {name})")
        column = client.table("SELECT a FROM declared").schema.field(0).type
        for cast in (f"CAST(a AS {name})", f"try_cast(a AS {name})", f"a::{name}"):
            assert client.table(f"SELECT {cast} FROM declared").schema.field(0).type == column, cast
