"""What Arrow data stands for: for each type that can stand for more than it weighs, inside of all others too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from flight_server.query.results.slices import BYTES_MAX, ROW_BYTES_MAX, ROWS_MAX, Rows, slices
from flight_server.query.results.written_out import NULL_BYTES, array_bytes, range_bytes, type_bytes, widest_bytes
from storage.errors import LimitExceeded
from tests.wire.small_arrays import HUGE, SMALL, as_list, int32

WRAPPINGS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "itself": lambda array: array,
    "in a struct": lambda array: pa.StructArray.from_arrays([array], names=["m"]),
    "in a list": as_list,
    "in a list twice": lambda array: as_list(as_list(array)),
    "in a list view": lambda array: pa.ListViewArray.from_arrays(int32(0), int32(min(len(array), HUGE)), array),
    "in a sparse union": lambda array: pa.UnionArray.from_sparse(pa.array(np.zeros(len(array), np.int8)), [array]),
    "in a dense union": lambda array: pa.UnionArray.from_dense(pa.array([0], pa.int8()), int32(0), [as_list(array)]),
    "in a dictionary of structs": lambda array: pa.DictionaryArray.from_arrays(
        int32(0), pa.StructArray.from_arrays([as_list(array)], names=["m"])
    ),
    "in an extension": lambda array: pa.ExtensionArray.from_storage(pa.opaque(array.type, "thing", "nobody"), array),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("kind", SMALL)
def test_what_is_small_is_counted_by_what_it_stands_for(kind: str, wrapping: str):
    small, expected = SMALL[kind]
    if wrapping == "in a sparse union" and len(small) > 1 << 20:
        pytest.skip("the codes of its rows weigh more")
    before = pa.total_allocated_bytes()
    found = array_bytes(WRAPPINGS[wrapping](small))
    assert expected * 0.9 <= found <= expected * 1.2 + 100_000
    assert pa.total_allocated_bytes() - before < 64 << 20


PLAIN = {
    "numbers": pa.array(range(1000), pa.int16()),
    "texts": pa.array([f"text {n}" for n in range(1000)]),
    "large bytes": pa.array([b"x" * (n % 7) for n in range(1000)], pa.large_binary()),
    "booleans": pa.array([True, None] * 500),
    "decimals": pa.nulls(1000, pa.decimal128(10, 2)),
    "lists": pa.array([list(range(n % 5)) for n in range(1000)]),
    "maps": pa.array([[("a", n)] for n in range(1000)], pa.map_(pa.string(), pa.int64())),
    "structs": pa.array([{"a": n, "b": "b" * (n % 9)} for n in range(1000)]),
    "fixed lists": pa.array([[1, 2, 3]] * 1000, pa.list_(pa.int32(), 3)),
    "dictionary": pa.array([f"t{n % 4}" for n in range(1000)]).dictionary_encode(),
    "dictionary with NULLs": pa.array(["a", None] * 500).dictionary_encode(),
    "run ends": pc.run_end_encode(pa.array([n // 100 for n in range(1000)])),
    "text views": pa.array([f"a rather long text {n}" for n in range(1000)], pa.string_view()),
    "list views": pa.array([[n, n] for n in range(1000)], pa.list_view(pa.int64())),
    "no rows": pa.array([], pa.string()),
    "dictionary of no rows": pa.DictionaryArray.from_arrays(pa.nulls(3, pa.int8()), pa.array([], pa.string())),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_parts_add_up_to_the_whole_and_slices_count_what_they_hold(kind: str):
    array = PLAIN[kind]
    cuts = np.array([0, len(array) // 3, len(array) // 2, len(array)])
    parts = range_bytes(array, cuts[:-1], cuts[1:])
    assert parts.sum() == pytest.approx(array_bytes(array))
    for start, stop, size in zip(cuts[:-1].tolist(), cuts[1:].tolist(), parts.tolist(), strict=True):
        assert array_bytes(array.slice(start, stop - start)) == pytest.approx(size)


@pytest.mark.parametrize("kind", [kind for kind in PLAIN if kind not in ("no rows", "dictionary of no rows")])
def test_plain_data_is_about_what_it_weighs_and_encoded_data_what_it_decodes_to(kind: str):
    array = PLAIN[kind]
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    elif pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    assert array.nbytes * 0.8 - 12 * len(array) <= array_bytes(PLAIN[kind]) <= array.nbytes * 2 + 8 * len(array)


@pytest.mark.parametrize(
    ("kind", "least", "widest"),
    [
        (pa.int64(), 8, 8),
        (pa.list_(pa.int8(), 1000), 1000, 1001),
        (pa.list_(pa.binary(5000)), 4, 5000),
        (pa.struct({"a": pa.int64(), "b": pa.list_(pa.list_(pa.int64(), 100))}), 13, 801),
    ],
)
def test_a_null_takes_what_its_column_does(kind: pa.DataType, least: float, widest: float):
    assert type_bytes(kind) == pytest.approx(least, abs=1)
    assert widest_bytes(kind) == pytest.approx(widest, abs=1)


@pytest.mark.parametrize("row_bytes", [0.0, 10.0, 100_000.0, float(BYTES_MAX), ROW_BYTES_MAX - 10_000.0])
@pytest.mark.parametrize("rows", [0, 1, 2, ROWS_MAX, ROWS_MAX + 1, 200_000])
def test_slices_follow_each_other_and_none_is_too_large(rows: int, row_bytes: float):
    if rows * row_bytes > 1 << 40:
        rows = 1000
    column = pa.array(np.zeros(rows, np.int64))
    found = list(slices(Rows([column], rows, row_bytes, lambda: NULL_BYTES)))
    assert [row for start, stop in found for row in (start, stop)][1:-1:2] == [start for start, _ in found][1:]
    assert (found[0][0], found[-1][1]) == (0, rows) if rows else not any(stop for _, stop in found)
    for start, stop in found:
        assert stop - start <= ROWS_MAX
        assert stop - start <= 1 or (stop - start) * (row_bytes + 8) <= BYTES_MAX


def test_a_row_that_is_too_large_is_refused():
    with pytest.raises(LimitExceeded, match="a row would be"):
        list(slices(Rows([pa.array([1])], 1, ROW_BYTES_MAX + 1.0, lambda: NULL_BYTES)))
    nulls = as_list(pa.nulls(1 << 20))
    assert list(slices(Rows([nulls], 1, 0.0, lambda: NULL_BYTES))) == [(0, 1)]
    with pytest.raises(LimitExceeded, match="a row would be"):
        list(slices(Rows([nulls], 1, 0.0, lambda: 2000.0)))


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.float16(), pa.float64(), pa.string(), pa.large_string()])
def test_parts_of_plain_columns_are_counted_as_what_they_hold(kind: pa.DataType):
    texts = [None, "", "a", "ä" * 100, "b", None, "cc"]
    values = pa.array(texts, kind) if pa.types.is_string(kind) or pa.types.is_large_string(kind) else None
    array = pa.array(np.arange(7), pa.int64()).cast(kind) if values is None else values
    for start in range(8):
        for stop in range(start, 8):
            part = array.slice(start, stop - start)
            ranges = range_bytes(part, np.zeros(1, np.int64), np.array([len(part)], np.int64))
            assert array_bytes(part) == ranges[0] == array_bytes(pa.concat_arrays([part, array.slice(0, 0)]))
