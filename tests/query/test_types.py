"""Every type that a column may have comes back as it went in: from hot rows, from files, and from both as one."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.cold.parquet_types import file_type, from_file_batch, is_storable, to_file_batch
from tests.support.query_database import NOW_MS, Database, column, seq_at

ZONES = (None, "UTC", "+05:30", "Europe/Berlin", "Etc/GMT+5")
DATE = datetime.date(2020, 2, 29)
TIME = datetime.time(1, 2, 3)

VALUES: list[tuple[pa.DataType, list[Any]]] = [
    (pa.null(), []),
    (pa.bool_(), [True, False]),
    *[(kind(), [1, 2]) for kind in (pa.int8, pa.int16, pa.int32, pa.int64, pa.uint8, pa.uint16, pa.uint32)],
    (pa.uint64(), [2**64 - 1]),
    (pa.float16(), [1.5]),
    (pa.float32(), [1.5]),
    (pa.float64(), [float("inf")]),
    (pa.decimal32(5, 2), [Decimal("1.25")]),
    (pa.decimal64(12, 2), [Decimal("1.25")]),
    (pa.decimal128(38, 10), [Decimal("-1.25")]),
    (pa.decimal256(50, 2), [Decimal("1.25")]),
    (pa.decimal128(5, -2), [Decimal(1200)]),
    (pa.date32(), [DATE]),
    (pa.date64(), [DATE]),
    (pa.time32("s"), [TIME]),
    (pa.time32("ms"), [TIME]),
    (pa.time64("us"), [TIME]),
    (pa.time64("ns"), [TIME]),
    *[(pa.timestamp(unit, zone), [1000, -5]) for unit in ("s", "ms", "us", "ns") for zone in ZONES],
    *[(pa.duration(unit), [5, -7]) for unit in ("s", "ms", "us", "ns")],
    (pa.month_day_nano_interval(), [(1, -2, 3), (-14, 0, -(2**63)), (2**31 - 1, -(2**31), 2**63 - 1)]),
    (pa.string(), ["", "é"]),
    (pa.large_string(), ["a"]),
    (pa.binary(), [b"\x00"]),
    (pa.large_binary(), [b"a"]),
    (pa.binary(3), [b"abc"]),
    (pa.list_(pa.int32()), [[1, None], []]),
    (pa.large_list(pa.string()), [["a"]]),
    (pa.list_(pa.int32(), 2), [[1, 2]]),
    (pa.list_view(pa.int32()), [[1], [2, 3]]),
    (pa.list_(pa.field("element", pa.string(), nullable=False)), [["a"]]),
    (pa.map_(pa.string(), pa.int32()), [[("a", 1)]]),
    (pa.struct([("x", pa.int32()), ("y", pa.list_(pa.struct([("z", pa.string())])))]), [{"x": 1, "y": [{"z": "q"}]}]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a"]),
    (pa.list_(pa.dictionary(pa.int32(), pa.string())), [["a"]]),
    (pa.uuid(), [bytes(range(16))]),
    (pa.json_(), ['{"a":1}']),
    (pa.bool8(), [1]),
    (pa.run_end_encoded(pa.int32(), pa.string()), ["a", "a", "b"]),
]


def array_of(kind: pa.DataType, values: list[object]) -> pa.Array:
    """The values and a NULL."""
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array([*values, None], kind.storage_type))
    if pa.types.is_run_end_encoded(kind):
        return pa.RunEndEncodedArray.from_arrays(
            pa.array([2, 3], kind.run_end_type), pa.array(["a", None], kind.value_type)
        )
    return pa.array([*values, None], kind)


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[str(kind) for kind, _ in VALUES])
def test_a_value_comes_back_hot_and_cold_as_its_type(db: Database, kind: pa.DataType, values: list[object]):
    assert is_storable(kind)
    table = db.table("t", column("k", pa.int32()), column("v", kind))
    array = array_of(kind, values)
    count = len(array)
    seqs = [seq_at(NOW_MS - 1000, i) for i in range(count)]
    db.file(table, seqs, k=list(range(count)), v=array)
    cold = db.ask("SELECT v FROM t ORDER BY k")
    db.hot(table, [seq_at(NOW_MS, i) for i in range(count)], k=list(range(count, 2 * count)), v=array)
    both = db.ask("SELECT v FROM t ORDER BY k")
    assert cold.schema.field("v").type == both.schema.field("v").type == kind
    assert cold.column("v").to_pylist() == array.to_pylist()
    assert both.column("v").to_pylist() == array.to_pylist() * 2


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[str(kind) for kind, _ in VALUES])
def test_what_goes_into_a_file_can_be_undone(
    tmp_path_factory: pytest.TempPathFactory, kind: pa.DataType, values: list[object]
):
    batch = pa.record_batch({"v": array_of(kind, values)}).slice(1)
    stored = to_file_batch(batch)
    assert stored.schema.field("v").type == file_type(kind)
    path = tmp_path_factory.mktemp("types") / "x.parquet"
    pq.write_table(pa.Table.from_batches([stored]), path)
    assert from_file_batch(stored, batch.schema).to_pylist() == batch.to_pylist()
    assert from_file_batch(stored, batch.schema).schema == batch.schema


@pytest.mark.parametrize(
    "kind",
    [
        pa.sparse_union([pa.field("a", pa.int32())]),
        pa.struct([]),
        pa.list_(pa.month_day_nano_interval()),
        pa.struct([("i", pa.list_(pa.month_day_nano_interval()))]),
        pa.list_(pa.decimal128(5, -2)),
        pa.map_(pa.string(), pa.struct([])),
        pa.decimal256(70, -20),
    ],
    ids=str,
)
def test_what_no_file_can_hold_is_known(kind: pa.DataType):
    assert not is_storable(kind)


def test_views_and_ordered_dictionaries_are_answered_as_their_plain_kin(db: Database):
    table = db.table(
        "t", column("s", pa.string_view()), column("d", pa.dictionary(pa.int8(), pa.string(), ordered=True))
    )
    words = pa.array(["a"]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))
    db.file(table, [seq_at(NOW_MS)], s=["x" * 40], d=words)
    found = db.ask("SELECT * FROM t")
    assert found.schema.types == [pa.string(), pa.dictionary(pa.int8(), pa.string())]
    assert found.to_pylist() == [{"s": "x" * 40, "d": "a"}]
