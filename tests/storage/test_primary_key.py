"""Primary keys as bytes: equal exactly when the keys are, and in the same order."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import ConstraintViolated, InvalidRequest
from storage.primary_keys.encoding import check_key_type, encode_keys, load_entries, load_entry, read_entry, seq_entries

FLOATS = st.floats(allow_nan=False)
KINDS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint32(): st.integers(0, 2**32 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.bool_(): st.booleans(),
    pa.float32(): st.floats(allow_nan=False, width=32),
    pa.float64(): FLOATS,
    pa.date32(): st.dates(),
    pa.time32("ms"): st.times().map(lambda t: t.replace(microsecond=0)),
    pa.time64("us"): st.times(),
    pa.timestamp("us"): st.datetimes(),
    pa.duration("us"): st.timedeltas(dt.timedelta(days=-10_000), dt.timedelta(days=10_000)),
    pa.decimal128(30, 4): st.decimals(-(10**20), 10**20, places=4),
    pa.string(): st.text(max_size=8),
    pa.large_string(): st.text(max_size=8),
    pa.string_view(): st.text(max_size=20),
    pa.binary(): st.binary(max_size=8),
    pa.binary(4): st.binary(min_size=4, max_size=4),
}
TRICKY = st.text(st.sampled_from("\0\x01aÿ\u00ff"), max_size=4)


def encoded(kind: pa.DataType, *values: Any) -> list[bytes]:
    return encode_keys([pa.array(values, kind)], ["k"])


@settings(max_examples=300)
@given(st.sampled_from(list(KINDS)).flatmap(lambda kind: st.tuples(st.just(kind), KINDS[kind], KINDS[kind])))
def test_one_column_keys_are_equal_and_ordered_as_their_bytes(case: tuple[pa.DataType, Any, Any]):
    kind, a, b = case
    first, second = encoded(kind, a, b)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        a, b = a.encode(), b.encode()
    assert (first == second) == (a == b)
    assert (first < second) == (a < b)


ROWS = st.tuples(TRICKY, st.integers(-3, 3), st.binary(max_size=3))


@settings(max_examples=300)
@given(ROWS, ROWS)
def test_keys_of_several_columns_are_equal_and_ordered_as_their_bytes(a: tuple[Any, ...], b: tuple[Any, ...]):
    columns = [pa.array([x, y], kind) for x, y, kind in zip(a, b, (pa.string(), pa.int32(), pa.binary()), strict=True)]
    first, second = encode_keys(columns, ["x", "y", "z"])
    left, right = (a[0].encode(), *a[1:]), (b[0].encode(), *b[1:])
    assert (first == second) == (left == right)
    assert (first < second) == (left < right)


def test_both_zeros_are_one_key_and_so_are_all_nans():
    zero, minus_zero = encoded(pa.float64(), 0.0, -0.0)
    assert zero == minus_zero
    bits = pa.array([0x7FF8000000000000, 0xFFF8000000000001 - 2**64, 0x7FF0000000000123], pa.int64()).view(pa.float64())
    assert len(set(encode_keys([bits], ["k"]))) == 1


def test_a_slice_is_encoded_as_its_own_rows():
    column = pa.array([Decimal("1.50"), Decimal("-2.25"), Decimal("3.75")], pa.decimal128(10, 2))
    assert encode_keys([column.slice(1)], ["k"]) == encode_keys([column], ["k"])[1:]


def test_a_dictionary_is_encoded_as_its_values():
    plain = pa.array(["b", "a", "b"])
    assert encode_keys([plain.dictionary_encode()], ["k"]) == encode_keys([plain], ["k"])


@pytest.mark.parametrize("old", [pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint32()])
def test_integers_of_all_widths_share_one_encoding(old: pa.DataType):
    assert encoded(old, 0, 7, 100) == encoded(pa.int64(), 0, 7, 100)


def test_null_is_refused_naming_the_column():
    with pytest.raises(ConstraintViolated, match="'k'") as refused:
        encoded(pa.int64(), 1, None)
    assert refused.value.sqlstate == "23502"


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.int8()), pa.struct([("a", pa.int8())]), pa.null(), pa.month_day_nano_interval(), pa.decimal256(50, 2)],
)
def test_types_that_cannot_be_compared_bytewise_are_refused(kind: pa.DataType):
    with pytest.raises(InvalidRequest, match="can't be part of a primary key"):
        check_key_type(kind, "k")


@pytest.mark.parametrize("kind", list(KINDS), ids=str)
def test_a_type_that_can_be_a_key_can_be_checked_without_rows(kind: pa.DataType):
    check_key_type(kind, "k")


@given(st.integers(0, 2**62), st.integers(1, 2**62))
def test_index_entries_are_read_back_as_written(number: int, load_id: int):
    assert read_entry(seq_entries(np.array([number]))) == (0, number)
    assert read_entry(load_entry(load_id, number)) == (load_id, number)
    assert load_entries(load_id, np.array([number])) == load_entry(load_id, number)
