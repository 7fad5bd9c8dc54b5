"""A column of every Arrow type that a table can hold: extremes, something plain, and NULL."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa

_TIME_LIMIT = 1 << 40
_UNITS = ("s", "ms", "us", "ns")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def arrow_columns() -> dict[str, pa.Array]:
    """Name -> three values, the last NULL."""
    return {**_numbers(), **_texts(), **_times(), **_nested(), **_layouts(), **_extensions()}


def unstorable_columns() -> dict[str, pa.Array]:
    """Types that are refused."""
    kinds, offsets = pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32())
    return {
        "union": pa.UnionArray.from_dense(kinds, offsets, [pa.array([1, 2]), pa.array(["x"])]),
        "empty_struct": pa.array([{}, {}, None], pa.struct([])),
        "list_of_interval": pa.array([[pa.MonthDayNano((1, 2, 3))], [], None]),
    }


def _numbers() -> dict[str, pa.Array]:
    columns = {"boolean": pa.array([True, False, None])}
    for name in _INTEGERS:
        limits = np.iinfo(name)
        columns[name] = pa.array([limits.min, limits.max, None], pa.from_numpy_dtype(np.dtype(name)))
    columns["float16"] = pa.array([np.float16(1.5), np.float16(65504), None], pa.float16())
    columns["float32"] = pa.array([3.4028234663852886e38, float("-inf"), None], pa.float32())
    columns["float64"] = pa.array([1.7976931348623157e308, 5e-324, None], pa.float64())
    columns["decimal32"] = pa.array([Decimal("1.50"), Decimal("-99999.99"), None], pa.decimal32(7, 2))
    columns["decimal64"] = pa.array([Decimal("1.50"), Decimal("-99999.99"), None], pa.decimal64(16, 2))
    columns["decimal128"] = pa.array([Decimal("9" * 38), Decimal("-" + "9" * 38), None], pa.decimal128(38, 0))
    columns["decimal256"] = pa.array([Decimal("9" * 76), Decimal("-" + "9" * 76), None], pa.decimal256(76, 0))
    columns["decimal_of_hundreds"] = pa.array([Decimal(12300), Decimal(-100), None], pa.decimal128(10, -2))
    columns["nulls"] = pa.nulls(3)
    return columns


def _texts() -> dict[str, pa.Array]:
    texts, binaries = ["", "ünïcode\0with NUL", None], [b"", b"\0\xff" * 20, None]
    return {
        "string": pa.array(texts),
        "large_string": pa.array(texts, pa.large_string()),
        "binary": pa.array(binaries),
        "large_binary": pa.array(binaries, pa.large_binary()),
        "fixed_binary": pa.array([b"abcd", b"\0\0\0\0", None], pa.binary(4)),
    }


def _times() -> dict[str, pa.Array]:
    days = [dt.date(1, 1, 1), dt.date(9999, 12, 31), None]
    columns = {"date32": pa.array(days, pa.date32()), "date64": pa.array(days, pa.date64())}
    for unit in _UNITS:
        columns[f"timestamp_{unit}"] = pa.array([-_TIME_LIMIT, _TIME_LIMIT, None], pa.timestamp(unit))
        columns[f"timestamp_utc_{unit}"] = pa.array([-_TIME_LIMIT, _TIME_LIMIT, None], pa.timestamp(unit, "UTC"))
        columns[f"duration_{unit}"] = pa.array([-5, 1 << 62, None], pa.duration(unit))
    columns["timestamp_extreme"] = pa.array([-(1 << 63), (1 << 63) - 1, None], pa.timestamp("us"))
    columns["timestamp_berlin"] = pa.array([0, _TIME_LIMIT, None], pa.timestamp("us", "Europe/Berlin"))
    columns["time_s"] = pa.array([0, 86_399, None], pa.time32("s"))
    columns["time_ms"] = pa.array([0, 86_399_999, None], pa.time32("ms"))
    columns["time_us"] = pa.array([0, 86_399_999_999, None], pa.time64("us"))
    columns["time_ns"] = pa.array([0, 86_399_999_999_999, None], pa.time64("ns"))
    most = pa.MonthDayNano((-(2**31), 2**31 - 1, 2**63 - 1))
    columns["interval"] = pa.array([pa.MonthDayNano((1, -2, 3)), most, None])
    return columns


def _nested() -> dict[str, pa.Array]:
    pair = pa.struct([("a", pa.int8()), ("B", pa.list_(pa.float32()))])
    deep = pa.map_(pa.string(), pa.list_(pa.struct([("at", pa.timestamp("us", "UTC"))])))
    moment = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    return {
        "list": pa.array([[1, None], [], None]),
        "large_list": pa.array([[1, None], [], None], pa.large_list(pa.int8())),
        "fixed_list": pa.array([[1, 2], [3, None], None], pa.list_(pa.int16(), 2)),
        "list_view": pa.array([[1, 2], [3, None], None], pa.list_view(pa.int16())),
        "struct": pa.array([{"a": 1, "B": [1.5]}, {"a": None, "B": None}, None], pair),
        "list_of_struct": pa.array([[{"a": 1, "B": [1.5]}], [None], None], pa.list_(pair)),
        "map": pa.array([[("k", 1), ("l", None)], [], None], pa.map_(pa.string(), pa.int32())),
        "map_of_list_of_struct": pa.array([[("k", [{"at": moment}, None])], [("l", None)], None], deep),
    }


def _layouts() -> dict[str, pa.Array]:
    ends = pa.array([2, 3], pa.int32())
    return {
        "dictionary": pa.array(["a", "b", None]).dictionary_encode(),
        "dictionary_of_numbers": pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array([5, 6])),
        "run_ends": pa.RunEndEncodedArray.from_arrays(ends, pa.array(["x", None])),
        "list_of_dictionary": pa.array([["a", "b"], [], None], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    }


def _extensions() -> dict[str, pa.Array]:
    return {
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16, b"\xff" * 16, None], pa.binary(16))),
        "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", "[1]", None])),
        "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
        "tensor": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.int32(), [2]), pa.array([[1, 2], [3, 4], None], pa.list_(pa.int32(), 2))
        ),
    }
