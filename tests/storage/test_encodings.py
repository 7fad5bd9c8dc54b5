"""Encodings of cold files: every type with values of every shape comes back, here and in others' readers; each shape
gets the encoding that fits it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext

from storage.cold.encodings import DELTA, PLAIN, Encoding, encoding_of
from storage.cold.local_store import LocalStore
from storage.cold.parquet import ColdLayout, ColdWriter, read_rows
from storage.cold.parquet_types import file_type
from storage.state.row_versions import SEQ_FIELD, with_seq

ROWS = 5000
_numbers = itertools.count(1)
RANDOM = np.random.default_rng(20131)
SHAPES: dict[str, Callable[[int, int], Values]] = {
    "rising": lambda low, _: list(range(low, low + ROWS)),
    "rising by jumps": lambda low, high: sorted(int(n) for n in RANDOM.integers(low, high, ROWS, endpoint=True)),
    "few": lambda low, high: [(low // 3, high // 5, high)[n] for n in RANDOM.integers(0, 3, ROWS)],
    "of all bits": lambda low, high: [int(n) for n in RANDOM.integers(low, high, ROWS, endpoint=True)],
    "least and greatest": lambda low, high: [(low, high)[n % 2] for n in range(ROWS)],
    "one": lambda low, _: [low] * ROWS,
    "one and NULL": lambda low, _: [low if n % 3 else None for n in range(ROWS)],
    "of all bits and NULL": lambda low, high: [
        int(n) if n % 3 else None for n in RANDOM.integers(low, high, ROWS, endpoint=True)
    ],
    "NULL": lambda *_: [None] * ROWS,
    "three": lambda low, high: [low, None, high],
    "none at all": lambda *_: [],
}


Values = Sequence[int | None]
Made = Callable[[Values], pa.Array]


def _limits(bits: int, *, signed: bool = True) -> tuple[int, int]:
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << min(bits, 63)) - 1)


def _whole(kind: pa.DataType, values: Values) -> pa.Array:
    return pa.array(values, kind)


def _moved(kind: pa.DataType, stored: pa.DataType, values: Values) -> pa.Array:
    return pa.array(values, stored).view(kind)


def _decimal(kind: Any, values: Values) -> pa.Array:
    """Of whole numbers, as the digits of the decimal."""
    return pa.array(values, pa.decimal128(kind.precision, 0)).view(pa.decimal128(kind.precision, kind.scale)).cast(kind)


def _fraction(kind: pa.DataType, values: Values) -> pa.Array:
    return pa.array([None if value is None else float(value) for value in values], pa.float64()).cast(kind, safe=False)


def _text(kind: pa.DataType, values: Values) -> pa.Array:
    return pa.array(values, pa.int64()).cast(pa.string()).cast(kind)


DECIMALS = (pa.decimal128(9, 2), pa.decimal128(18, 2), pa.decimal128(19, 2), pa.decimal128(38, 10))
MOVED = (
    (pa.date32(), pa.int32(), _limits(32)),
    (pa.time32("ms"), pa.int32(), (0, 86_399_999)),
    (pa.time64("us"), pa.int64(), (0, 86_399_999_999)),
    (pa.timestamp("ms"), pa.int64(), _limits(53)),
    (pa.timestamp("us"), pa.int64(), _limits(64)),
    (pa.timestamp("ns", "UTC"), pa.int64(), _limits(64)),
    (pa.duration("us"), pa.int64(), _limits(64)),
)
KINDS: dict[str, tuple[tuple[int, int], Made]] = {
    **{f"int{bits}": (_limits(bits), partial(_whole, pa.type_for_alias(f"int{bits}"))) for bits in (16, 32, 64)},
    **{
        f"uint{bits}": (_limits(bits, signed=False), partial(_whole, pa.type_for_alias(f"uint{bits}")))
        for bits in (16, 32, 64)
    },
    **{str(kind): (limits, partial(_moved, kind, stored)) for kind, stored, limits in MOVED},
    **{
        str(kind): ((1 - 10 ** min(kind.precision, 18), 10 ** min(kind.precision, 18) - 1), partial(_decimal, kind))
        for kind in DECIMALS
    },
    **{str(kind): (_limits(64), partial(_fraction, kind)) for kind in (pa.float32(), pa.float64())},
    **{str(kind): (_limits(64), partial(_text, kind)) for kind in (pa.string(), pa.binary())},
}
# Types that not every reader knows.
RARE: dict[str, Made] = {
    **{str(kind): partial(_whole, kind) for kind in (pa.int8(), pa.uint8())},
    **{
        str(kind): partial(_moved, kind, pa.int64())
        for kind in (pa.date64(), pa.timestamp("s"), pa.duration("s"), pa.duration("ns"))
    },
    **{str(kind): partial(_decimal, kind) for kind in (pa.decimal32(7, 2), pa.decimal64(15, 2), pa.decimal256(10, 2))},
    "time32[s]": partial(_moved, pa.time32("s"), pa.int32()),
    "halffloat": partial(_fraction, pa.float16()),
    "string_view": partial(_text, pa.string_view()),
    "dictionary": lambda values: pa.array(values, pa.int64()).dictionary_encode(),
    "list": lambda values: pa.array([[value] for value in values], pa.list_(pa.int64())),
}
READ_BY_DUCKDB = ("int", "uint", "decimal", "float", "double", "string")


@pytest.fixture
def files(tmp_path: Path) -> LocalStore:
    (tmp_path / "cold").mkdir()
    return LocalStore(tmp_path / "cold")


def written(files: LocalStore, column: pa.Array, compression: str = "lz4", encoding: str = "by_type") -> Any:
    """A file with the column `c` in two row groups or more."""
    schema = pa.schema([pa.field("c", column.type)])
    layout = ColdLayout(compression, encoding, 2048, (), ())
    writer = ColdWriter(files, f"{next(_numbers)}.parquet", schema, layout)
    rows = pa.RecordBatch.from_arrays([column], schema=schema)
    if len(column):
        writer.write(with_seq(rows, 1))
    return writer.finish(1, 1, 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_values_come_back_to_us_to_the_engine_and_to_others(files: LocalStore, tmp_path: Path, kind: str, shape: str):
    (low, high), made = KINDS[kind]
    column = made(SHAPES[shape](low, high))
    schema = pa.schema([pa.field("c", column.type)])
    whole = schema.insert(0, SEQ_FIELD)
    for compression in ("lz4", "zstd", "none"):
        file = written(files, column, compression)
        ours = pa.Table.from_batches(list(read_rows(files, file, schema)), whole)
        assert as_it_was(ours, column.type).equals(column)
        path = tmp_path / "cold" / file.path
        read = SessionContext().read_parquet(path, schema=pa.schema([("c", file_type(column.type))])).select("c")
        assert as_it_was(pa.Table.from_batches(read.collect(), read.schema()), column.type).equals(column)
        assert as_it_was(polars.read_parquet(path).select("c").to_arrow(), column.type).equals(column)
        if kind.startswith(READ_BY_DUCKDB):
            with duckdb.connect() as connection:
                found = connection.sql(f"SELECT c FROM '{path}' ORDER BY _seq").to_arrow_table()
            assert as_it_was(found, column.type).equals(column)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", RARE)
def test_values_of_rare_types_come_back(files: LocalStore, kind: str, shape: str):
    column = RARE[kind]([None if value is None else value % 100 for value in SHAPES[shape](0, 50)])
    file, schema = written(files, column), pa.schema([pa.field("c", column.type)])
    ours = pa.Table.from_batches(list(read_rows(files, file, schema)), schema.insert(0, SEQ_FIELD))
    assert ours.column("c").to_pylist() == column.to_pylist()


def as_it_was(table: pa.Table, kind: pa.DataType) -> pa.Array:
    return table.column("c").cast(kind).combine_chunks()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("rising", DELTA),
        ("rising by jumps", DELTA),
        ("few", None),
        ("of all bits", PLAIN),
        ("one", DELTA),
        ("three", None),
        ("none at all", None),
    ],
)
@pytest.mark.parametrize("kind", ["int64", "timestamp[us]", "decimal128(18, 2)"])
def test_a_shape_has_its_encoding(kind: str, shape: str, expected: str | None):
    (low, high), made = KINDS[kind]
    assert encoding_of(made(SHAPES[shape](low // 64, high // 64)), "lz4").name == expected


def test_what_does_not_get_smaller_is_not_compressed():
    noise = pa.array(RANDOM.integers(-(1 << 63), (1 << 63) - 1, ROWS))
    small = pa.array(np.append(RANDOM.integers(0, 9, ROWS * 20), 1 << 62)).take(pa.array(RANDOM.permutation(ROWS * 20)))
    assert encoding_of(noise, "lz4") == Encoding(PLAIN, is_compressed=False)
    assert encoding_of(noise, "none") == Encoding(PLAIN, is_compressed=False)
    assert encoding_of(small, "lz4").name in (None, DELTA)


def test_an_option_leaves_all_to_dictionaries(files: LocalStore, tmp_path: Path):
    column = pa.array(range(ROWS))
    for encoding, expected in (("by_type", "DELTA_BINARY_PACKED"), ("dictionary", "RLE_DICTIONARY")):
        file = written(files, column, encoding=encoding)
        chunk = pq.read_metadata(tmp_path / "cold" / file.path).row_group(0).column(1)
        assert expected in chunk.encodings, chunk
