"""Declared types, what they are stored as, and what Arrow types are called."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_server.parser.text.types import arrow_type, sql_type_name
from storage.errors import FrostlineError, InvalidRequest


@pytest.mark.parametrize(
    ("declared", "stored", "canonical"),
    [
        ("BOOLEAN", pa.bool_(), "BOOLEAN"),
        ("bool", pa.bool_(), "BOOLEAN"),
        ("BIT", pa.bool_(), "BOOLEAN"),
        ("bit(1)", pa.bool_(), "BOOLEAN"),
        ("BIT(1)[]", pa.list_(pa.bool_()), "BOOLEAN[]"),
        ("BYTE", pa.int8(), "TINYINT"),
        ("CLOB", pa.string(), "VARCHAR"),
        ("NCHAR(3)", pa.string(), "CHAR(3)"),
        ("TINYINT", pa.int8(), "TINYINT"),
        ("INT2", pa.int16(), "SMALLINT"),
        ("int", pa.int32(), "INTEGER"),
        ("INT8", pa.int64(), "BIGINT"),
        ("BIGINT UNSIGNED", pa.uint64(), "BIGINT UNSIGNED"),
        ("INT UNSIGNED", pa.uint32(), "INTEGER UNSIGNED"),
        ("UTINYINT", pa.uint8(), "TINYINT UNSIGNED"),
        ("REAL", pa.float32(), "REAL"),
        ("FLOAT4", pa.float32(), "REAL"),
        ("FLOAT", pa.float64(), "DOUBLE"),
        ("FLOAT(24)", pa.float32(), "REAL"),
        ("DOUBLE PRECISION", pa.float64(), "DOUBLE"),
        ("DECIMAL(10,2)", pa.decimal128(10, 2), "DECIMAL(10, 2)"),
        ("NUMERIC(38)", pa.decimal128(38, 0), "DECIMAL(38, 0)"),
        ("DECIMAL", pa.decimal128(38, 10), "DECIMAL(38, 10)"),
        ("VARCHAR(20)", pa.string(), "VARCHAR(20)"),
        ("CHARACTER VARYING(5)", pa.string(), "VARCHAR(5)"),
        ("CHAR(3)", pa.string(), "CHAR(3)"),
        ("TEXT", pa.string(), "VARCHAR"),
        ("BYTEA", pa.binary(), "BYTEA"),
        ("BLOB", pa.binary(), "BYTEA"),
        ("BINARY(16)", pa.binary(16), "BINARY(16)"),
        ("DATE", pa.date32(), "DATE"),
        ("TIME", pa.time64("us"), "TIME"),
        ("TIME(0)", pa.time32("s"), "TIME(0)"),
        ("TIME(9)", pa.time64("ns"), "TIME(9)"),
        ("TIMESTAMP", pa.timestamp("us"), "TIMESTAMP"),
        ("TIMESTAMP(6) WITHOUT TIME ZONE", pa.timestamp("us"), "TIMESTAMP"),
        ("TIMESTAMP(3)", pa.timestamp("ms"), "TIMESTAMP(3)"),
        ("TIMESTAMP(9) WITH TIME ZONE", pa.timestamp("ns", "UTC"), "TIMESTAMP(9) WITH TIME ZONE"),
        ("TIMESTAMPTZ", pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE"),
        ("INTERVAL", pa.month_day_nano_interval(), "INTERVAL"),
        ("UUID", pa.string(), "UUID"),
        ("JSONB", pa.string(), "JSON"),
        ("INT[]", pa.list_(pa.int32()), "INTEGER[]"),
        ("INT[][]", pa.list_(pa.list_(pa.int32())), "INTEGER[][]"),
        ("INT[3]", pa.list_(pa.int32(), 3), "INTEGER[3]"),
        ("ARRAY<ARRAY<INT>>", pa.list_(pa.list_(pa.int32())), "INTEGER[][]"),
        ("TEXT ARRAY", pa.list_(pa.string()), "VARCHAR[]"),
        (
            'STRUCT<a INT, "B" TEXT[]>',
            pa.struct([("a", pa.int32()), ("B", pa.list_(pa.string()))]),
            'STRUCT<"a" INTEGER, "B" VARCHAR[]>',
        ),
        ("STRUCT(a: INT)", pa.struct([("a", pa.int32())]), 'STRUCT<"a" INTEGER>'),
        ("MAP<TEXT, BIGINT>[]", pa.list_(pa.map_(pa.string(), pa.int64())), "MAP<VARCHAR, BIGINT>[]"),
    ],
)
def test_a_declared_type_is_stored_as(declared: str, stored: pa.DataType, canonical: str) -> None:
    found = arrow_type(declared)
    assert (found.type, found.sql) == (stored, canonical)
    assert arrow_type(canonical) == found


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("HUGEINT", "types are .*BIGINT"),
        ("", "expected a column type, found the end"),
        ("DECIMAL(39,2)", "1 to 38 digits"),
        ("DECIMAL(5,6)", "no more of them after the point"),
        ("DECIMAL(0)", "1 to 38 digits"),
        ("DECIMAL(1,2,3)", "at most 2 numbers"),
        ("VARCHAR(0)", "must be 1 or more"),
        ("VARCHAR(x)", "expected a number"),
        ("BIT(0)", "must be 1 or more"),
        ("BIT(2)", "a string of bits is not supported; use BOOLEAN for one bit"),
        ("BIT VARYING(1)", "a string of bits is not supported"),
        ("TIMESTAMP(10)", "a precision of 10 is not allowed: use 0 to 9"),
        ("TIME WITH TIME ZONE", "TIME WITH TIME ZONE is not supported"),
        ("FLOAT(54)", "1 to 53 bits"),
        ("INT[0]", "array of size 0"),
        ("INT[", "size of the array"),
        ("STRUCT<a INT, a TEXT>", "names a member twice"),
        ("STRUCT<>", "expected <"),
        ("STRUCT()", "name of a struct member"),
        ("MAP<INT>", "expected ,"),
        ("ARRAY", "expected <"),
        ("INT INT", "expected the end"),
        ("INT" + "[]" * 40, "32 levels"),
        ("ARRAY<" * 200 + "INT" + ">" * 200, "32 levels"),
    ],
)
def test_a_wrong_type_is_refused_with_the_reason(declared: str, words: str) -> None:
    with pytest.raises(FrostlineError, match=words):
        arrow_type(declared)


def test_an_unknown_type_has_its_own_state() -> None:
    with pytest.raises(InvalidRequest) as caught:
        arrow_type("HUGEINT")
    assert caught.value.sqlstate == "42704"


@pytest.mark.parametrize(
    ("arrow", "name"),
    [
        (pa.large_string(), "VARCHAR"),
        (pa.string_view(), "VARCHAR"),
        (pa.dictionary(pa.int8(), pa.string()), "VARCHAR"),
        (pa.run_end_encoded(pa.int32(), pa.int64()), "BIGINT"),
        (pa.large_binary(), "BYTEA"),
        (pa.binary_view(), "BYTEA"),
        (pa.float16(), "REAL"),
        (pa.date64(), "DATE"),
        (pa.duration("ns"), "INTERVAL"),
        (pa.decimal256(70, 5), "DECIMAL(70, 5)"),
        (pa.decimal32(5, 2), "DECIMAL(5, 2)"),
        (pa.timestamp("ns", "Europe/Paris"), "TIMESTAMP(9) WITH TIME ZONE"),
        (pa.large_list(pa.int32()), "INTEGER[]"),
        (pa.list_view(pa.int32()), "INTEGER[]"),
        (pa.null(), "NULL"),
        (pa.uuid(), "UUID"),
        (pa.json_(), "JSON"),
        (pa.bool8(), "BOOLEAN"),
    ],
)
def test_types_that_an_ingest_brings_have_a_name(arrow: pa.DataType, name: str) -> None:
    assert sql_type_name(arrow) == name


_SIMPLE = st.sampled_from(
    (pa.bool_(), pa.int8(), pa.int64(), pa.uint16(), pa.float32(), pa.float64(), pa.string(), pa.binary(), pa.binary(7))
) | st.sampled_from(
    (pa.date32(), pa.time32("ms"), pa.time64("us"), pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.decimal128(9, 3))
)
_NESTED = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(lambda t: pa.list_(t, 4)),
        st.tuples(inner, inner).map(lambda pair: pa.map_(*pair)),
        st.lists(inner, min_size=1, max_size=3).map(lambda ts: pa.struct([(f"M {i}", t) for i, t in enumerate(ts)])),
    ),
    max_leaves=6,
)


@given(_NESTED)
@settings(max_examples=100, deadline=None)
def test_the_name_of_a_type_is_read_back_as_that_type(arrow: pa.DataType) -> None:
    assert arrow_type(sql_type_name(arrow)).type == arrow
