"""Every Arrow type through every form in which rows are kept: hot batch, cold file, catalog record, schema change."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from storage.catalog.schema import (
    Column,
    TableDef,
    decode_record,
    encode_record,
    read_fill,
    type_from_text,
    type_to_text,
    write_fill,
)
from storage.clock import ManualClock
from storage.cold.parquet_types import is_storable
from storage.engine import Engine
from storage.errors import Corruption
from storage.rowstore.row_codec import decode_rows, encode_rows, schema_version_of
from storage.state.edits import Edit, RowChange
from storage.state.row_versions import conform, with_seq
from tests.support.storage_builders import compact, definition, flush, make_table, now, opened, read

DAY = dt.date(2024, 2, 29)
MOMENT = dt.datetime(2024, 2, 29, 12, 30, 15, 123456)  # noqa: DTZ001 - a timestamp without zone
NOON = dt.time(12, 0, 1)
TEXTS = ["a", None, "longer than twelve bytes", ""]
BYTES = [b"a", None, b"\0\xff longer than twelve", b""]


def case(kind: pa.DataType, *values: Any) -> pa.Array:
    return pa.array([values[0], None, values[-1]], kind)


def extension(kind: pa.BaseExtensionType, storage: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, storage)


PLAIN = [
    *(case(kind, -1, 100) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())),
    *(case(kind, 0, 200) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())),
    *(case(kind, 0.5, -2.0) for kind in (pa.float16(), pa.float32(), pa.float64())),
    case(pa.bool_(), True, False),
    case(pa.date32(), DAY),
    case(pa.date64(), DAY),
    *(case(kind, NOON) for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))),
    *(case(pa.timestamp(unit), 1, 1_700_000_000) for unit in ("s", "ms", "us", "ns")),
    case(pa.timestamp("us", "Europe/Berlin"), MOMENT),
    *(case(pa.duration(unit), 5, -7) for unit in ("s", "ms", "us", "ns")),
    case(pa.month_day_nano_interval(), (1, -2, 3), (0, 0, -1)),
    case(pa.decimal32(7, 2), Decimal("1.25")),
    case(pa.decimal64(15, 2), Decimal("1.25")),
    case(pa.decimal128(38, 10), Decimal("1.25")),
    case(pa.decimal256(76, 10), Decimal("1.25")),
    case(pa.decimal128(5, -2), Decimal(1200)),
    *(pa.array(TEXTS, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *(pa.array(BYTES, kind) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    case(pa.binary(3), b"abc"),
    pa.nulls(3),
]
NESTED = [
    case(pa.list_(pa.int64()), [1, None], []),
    case(pa.large_list(pa.string()), ["a"], []),
    case(pa.list_(pa.int32(), 2), [1, 2]),
    case(pa.list_view(pa.int64()), [1, None], []),
    case(pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]), {"x": 1, "y": ["a"]}),
    case(pa.map_(pa.string(), pa.int64()), [("a", 1)], []),
    pa.array(["a", None, "b"]).dictionary_encode(),
    case(pa.list_(pa.dictionary(pa.int8(), pa.string())), ["a", "b"], []),
    pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]),
    pa.array([["a", None], None, ["longer than twelve"]], pa.list_(pa.string_view())),
    extension(pa.uuid(), case(pa.binary(16), b"0123456789abcdef")),
    extension(pa.json_(), case(pa.string(), '{"a": 1}')),
    extension(pa.bool8(), case(pa.int8(), 1)),
    extension(pa.opaque(pa.string(), "t", "v"), case(pa.string(), "x")),
]
EVERY = [*PLAIN, *NESTED]
NAMES = [f"{i}-{array.type}"[:40] for i, array in enumerate(EVERY)]
BY_NAME = dict(zip(NAMES, EVERY, strict=True))
with_every_type = pytest.mark.parametrize("array", EVERY, ids=NAMES)


def one_column(array: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([array], schema=pa.schema([pa.field("v", array.type)]))


def insert_array(engine: Engine, table: TableDef, array: pa.Array) -> None:
    engine.commit(Edit(rows=(RowChange(table=now(engine, table), inserts=(one_column(array),)),)))


@with_every_type
def test_a_hot_batch_is_read_back_as_written(array: pa.Array):
    batch = one_column(array)
    value = encode_rows(batch, 7)
    assert schema_version_of(value) == 7
    assert decode_rows(value, batch.schema).equals(batch)


@with_every_type
def test_a_slice_is_stored_as_its_own_rows(array: pa.Array):
    batch = one_column(array).slice(1, 2)
    assert decode_rows(encode_rows(batch, 1), batch.schema).to_pylist() == batch.to_pylist()


@with_every_type
def test_a_type_is_read_back_from_its_record(array: pa.Array):
    assert type_from_text(type_to_text(array.type)) == array.type
    assert read_fill(write_fill(array.slice(0, 1))).to_pylist() == array.slice(0, 1).to_pylist()


@with_every_type
def test_a_column_of_any_type_survives_flush_compaction_and_restart(array: pa.Array, tmp_path: Path):
    assert is_storable(array.type)
    wanted = array.to_pylist()
    with opened(tmp_path, ManualClock()) as engine:
        table = make_table(engine, columns={"v": array.type})
        insert_array(engine, table, array)
        insert_array(engine, table, array.slice(2, 1))
        assert [row["v"] for row in read(engine, table)] == [*wanted, wanted[2]]
        flush(engine, table)
        insert_array(engine, table, array.slice(0, 1))
        flush(engine, table)
        compact(engine, table)
        insert_array(engine, table, array.slice(1, 1))
        expected = [*wanted, wanted[2], wanted[0], wanted[1]]
        assert [row["v"] for row in read(engine, table)] == expected
    with opened(tmp_path) as engine:
        assert [row["v"] for row in read(engine, table)] == expected


@with_every_type
def test_a_table_may_be_sorted_by_a_column_of_any_type(array: pa.Array, engine: Engine):
    table = make_table(engine, columns={"v": array.type}, sort_by=("v",))
    insert_array(engine, table, array)
    flush(engine, table)
    assert [row["v"] for row in read(engine, table)] == array.to_pylist()


def test_an_extension_over_a_dictionary_keeps_its_values():
    storage = pa.array(["a", "b", "a"]).dictionary_encode()
    batch = one_column(extension(pa.opaque(storage.type, "t", "v"), storage))
    assert decode_rows(encode_rows(batch, 1), batch.schema).column(0).storage.to_pylist() == ["a", "b", "a"]


def test_dictionaries_of_several_inserts_are_merged(engine: Engine):
    table = make_table(engine, columns={"v": pa.dictionary(pa.int8(), pa.string())})
    for text in ("a", "b", "a", "c"):
        insert_array(engine, table, pa.array([text]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())))
    assert [row["v"] for row in read(engine, table)] == ["a", "b", "a", "c"]


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x01\0\0\0\x01", b"\x02\0\0\0\x01", b"\x09\0\0\0\x01abc"])
def test_a_hot_batch_that_is_cut_off_or_unknown_is_corruption(value: bytes):
    def read_value() -> None:
        schema_version_of(value)
        decode_rows(value, pa.schema([("v", pa.int64())]))

    with pytest.raises(Corruption):
        read_value()


@pytest.mark.parametrize(
    "kind",
    [pa.sparse_union([pa.field("a", pa.int8())]), pa.struct([]), pa.list_(pa.month_day_nano_interval())],
    ids=str,
)
def test_what_parquet_cannot_hold_is_not_storable(kind: pa.DataType):
    assert not is_storable(kind)


def test_a_table_record_is_read_back_as_written(engine: Engine):
    table = definition(engine, columns={name: array.type for name, array in BY_NAME.items()}, key=("0-int8",))
    assert decode_record(encode_record(table), TableDef) == table


OLD = pa.schema([("a", pa.int32()), ("b", pa.string()), ("c", pa.int64())])
NEW = pa.schema([("c", pa.int64()), ("a", pa.int64()), ("d", pa.string()), ("e", pa.int16())])


@pytest.mark.parametrize("with_seqs", [False, True])
def test_old_rows_are_widened_reordered_filled_and_rid_of_dropped_columns(with_seqs: bool):
    old = pa.RecordBatch.from_arrays([pa.array([1, 2], pa.int32()), pa.array(["x", "y"]), pa.array([7, 8])], schema=OLD)
    batch = with_seq(old, 50) if with_seqs else old
    new = conform(batch, NEW, {"e": pa.array([9], pa.int16())})
    seqs = {"_seq": [50, 51]} if with_seqs else {}
    assert new.to_pydict() == {**seqs, "c": [7, 8], "a": [1, 2], "d": [None, None], "e": [9, 9]}
    assert new.schema.types[-4:] == NEW.types


def test_rows_of_the_newest_schema_are_not_copied():
    batch = with_seq(
        pa.RecordBatch.from_arrays([pa.array([1], pa.int32()), pa.array(["x"]), pa.array([7])], schema=OLD), 1
    )
    assert conform(batch, OLD, {}) is batch


@with_every_type
def test_a_column_of_any_type_may_be_added_with_and_without_a_value(array: pa.Array, engine: Engine):
    table = make_table(engine, columns={"k": pa.int64()})
    for k in (1, 2):
        engine.commit(
            Edit(rows=(RowChange(table=now(engine, table), inserts=(pa.record_batch({"k": [k]}),)),)),
        )
        if k == 1:
            flush(engine, table)
    filled = Column(name="f", physical_name="f", type=array.type, sql_type="", fill=write_fill(array.slice(0, 1)))
    empty = Column(name="n", physical_name="n", type=array.type, sql_type="")

    def add(catalog: Any) -> Any:
        current = catalog.table_by_id(table)
        columns = (*current.columns, filled, empty)
        return catalog.with_table(msgspec.structs.replace(current, columns=columns, version=2))

    engine.commit(Edit(catalog=add))
    first = array[0].as_py()
    assert [(row["k"], row["f"], row["n"]) for row in read(engine, table)] == [(1, first, None), (2, first, None)]
    flush(engine, table)
    compact(engine, table)
    assert [(row["k"], row["f"], row["n"]) for row in read(engine, table)] == [(1, first, None), (2, first, None)]
