"""Written-out sizes count the bytes of Arrow data value by value, and not by what it weighs.

Two billion NULLs, one text named by a million indices, a run of a billion: all of these are a few bytes until somebody
casts them. The sizes here are found without expanding anything: in ranges, from offsets, lengths and run ends, with
nothing made that is longer than what lies in memory.

An array must be valid (`validate(full=True)`): its numbers are followed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

NULL_BYTES: Final = 8.0  # of a value of the type null whose column is not known yet
_LENGTH_BYTES: Final = 4.0  # of a text, a list
_OFFSET: Final = struct.Struct("<i")
Places = np.ndarray[Any, np.dtype[np.int64]]
Sizes = np.ndarray[Any, np.dtype[np.float64]]  # not integers: what is nested multiplies beyond 2^63


def batch_bytes(batch: pa.RecordBatch) -> float:
    """Of all columns."""
    return sum((array_bytes(column) for column in batch.columns), 0.0)


def array_bytes(array: pa.Array) -> float:
    """Of the values, as plain arrays."""
    if isinstance(array, pa.NumericArray):  # this and the next are most columns, and cost little here
        return len(array) * float(array.type.bit_width) / 8
    if isinstance(array, pa.StringArray) and len(array):
        offsets = array.buffers()[1]
        (first,) = _OFFSET.unpack_from(offsets, _OFFSET.size * array.offset)
        (last,) = _OFFSET.unpack_from(offsets, _OFFSET.size * (array.offset + len(array)))
        return len(array) * _LENGTH_BYTES + float(last - first)
    whole = range_bytes(array, np.zeros(1, np.int64), np.array([len(array)], np.int64))
    return float(whole[0])


def type_bytes(kind: pa.DataType) -> float:
    """What one value of the type takes at least, a NULL too."""
    if isinstance(kind, pa.BaseExtensionType):
        return type_bytes(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return type_bytes(kind.value_type)
    if pa.types.is_fixed_size_list(kind):
        return 1.0 + kind.list_size * type_bytes(kind.value_type)
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        return 1.0 + sum(type_bytes(kind.field(place).type) for place in range(kind.num_fields))
    return NULL_BYTES if pa.types.is_null(kind) else _width(kind)


def range_bytes(array: pa.Array, starts: Places, stops: Places, null: float = NULL_BYTES) -> Sizes:
    """Bytes of the values in each range of places, `starts` to `stops`; `null`: of one of the type null."""
    kind = array.type
    counts = (stops - starts).astype(np.float64)
    if isinstance(array, pa.ExtensionArray):
        return range_bytes(array.storage, starts, stops, null)
    if pa.types.is_null(kind):
        return counts * null
    if pa.types.is_run_end_encoded(kind):
        return _runs(array, starts, stops, null)
    if isinstance(array, pa.DictionaryArray):
        return _between(_of_each(array.dictionary, _indices(array), null), starts, stops)
    if isinstance(array, (pa.ListViewArray, pa.LargeListViewArray)):
        return counts * _LENGTH_BYTES + _between(_views(array, null), starts, stops)
    if isinstance(array, pa.FixedSizeListArray):
        size, first = kind.list_size, array.offset
        return counts + range_bytes(array.values, (starts + first) * size, (stops + first) * size, null)
    if isinstance(array, (pa.ListArray, pa.LargeListArray)):  # maps are lists too
        offsets = array.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
        return counts * _LENGTH_BYTES + range_bytes(array.values, offsets[starts], offsets[stops], null)
    if isinstance(array, pa.StructArray):
        return counts + sum(range_bytes(array.field(place), starts, stops, null) for place in range(kind.num_fields))
    if isinstance(array, pa.UnionArray):
        return counts + _union(array, starts, stops, null)
    return counts * _width(kind) + _lengths(array, starts, stops)


def _width(kind: pa.DataType) -> float:
    """Of a value that holds no others; for a text its length comes on top."""
    try:
        return max(1.0, kind.bit_width / 8)
    except ValueError:
        return _LENGTH_BYTES


def _lengths(array: pa.Array, starts: Places, stops: Places) -> Sizes:
    """Of texts and bytes."""
    kind = array.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        words = _numbers(array.buffers()[1], np.int32)
        first = array.offset * 4
        return _between(words[first : first + len(array) * 4 : 4].astype(np.float64), starts, stops)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        offsets = _numbers(array.buffers()[1], np.int32)
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        offsets = _numbers(array.buffers()[1], np.int64)
    else:
        return np.zeros(len(starts))
    if not len(offsets):
        return np.zeros(len(starts))
    return (offsets[stops + array.offset] - offsets[starts + array.offset]).astype(np.float64)


def _runs(array: pa.Array, starts: Places, stops: Places, null: float) -> Sizes:
    """The runs' values times their lengths, as far as they are in the range."""
    ends = array.run_ends.to_numpy(zero_copy_only=False).astype(np.int64)
    if not len(ends):
        return np.zeros(len(starts))
    each = _of_each(array.values, np.arange(len(ends)), null)
    before = _sums(each * np.diff(ends, prepend=0))

    def up_to(places: Places) -> Sizes:
        """From the first run to each place."""
        runs = np.minimum(np.searchsorted(ends, places, side="right"), len(ends) - 1)
        begun = np.where(runs > 0, ends[runs - 1], 0)
        upto: Sizes = before[runs] + each[runs] * (places - begun)
        return upto

    return up_to(stops + array.offset) - up_to(starts + array.offset)


def _views(array: pa.ListViewArray | pa.LargeListViewArray, null: float) -> Sizes:
    """Of the items of each list, which may lie anywhere, and several times in the same place."""
    offsets = array.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    sizes = array.sizes.to_numpy(zero_copy_only=False).astype(np.int64)
    return range_bytes(array.values, offsets, offsets + sizes, null)


def _union(array: pa.UnionArray, starts: Places, stops: Places, null: float) -> Sizes:
    """A sparse one has all its members beside each other; of a dense one each row names a place in one of them."""
    members = [array.field(place) for place in range(array.type.num_fields)]
    if array.type.mode == "sparse":
        return np.asarray(sum((range_bytes(member, starts, stops, null) for member in members), np.zeros(len(starts))))
    codes = array.type_codes.to_numpy()
    offsets = array.offsets.to_numpy().astype(np.int64)
    each = np.zeros(len(array))
    for code, member in zip(array.type.type_codes, members, strict=True):
        rows = codes == code
        each[rows] = _of_each(member, offsets[rows], null)
    return _between(each, starts, stops)


def _indices(array: pa.DictionaryArray) -> Places:
    """-1 for a NULL."""
    indices = array.indices
    filled = indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    if indices.null_count:
        filled[indices.is_null().to_numpy(zero_copy_only=False)] = -1
    return filled


def _of_each(array: pa.Array, places: Places, null: float) -> Sizes:
    """Bytes of the value in each place; of one below zero those of a NULL."""
    least = type_bytes(array.type)
    if not len(array):
        return np.full(len(places), least)
    known = places >= 0
    inside = np.where(known, places, 0)
    return np.where(known, range_bytes(array, inside, inside + 1, null), least)


def _between(each: Sizes, starts: Places, stops: Places) -> Sizes:
    sums = _sums(each)
    between: Sizes = sums[stops] - sums[starts]
    return between


def _sums(each: Sizes) -> Sizes:
    """What lies before each place, and at the end all."""
    return np.concatenate([np.zeros(1), np.cumsum(each)])


def _numbers(buffer: pa.Buffer | None, kind: Any) -> np.ndarray[Any, Any]:
    if buffer is None:
        return np.zeros(0, kind)
    usable = buffer.size - buffer.size % np.dtype(kind).itemsize
    return np.frombuffer(buffer.slice(0, usable), kind)


def columns_bytes(columns: Sequence[pa.Array], starts: Places, stops: Places, null: float = NULL_BYTES) -> Sizes:
    """Of all columns together, in each range of rows."""
    each = (range_bytes(column, starts, stops, null) for column in columns)
    return np.asarray(sum(each, np.zeros(len(starts))))


def widest_bytes(kind: pa.DataType) -> float:
    """The most that one NULL takes in a column of the type, or in what is inside of its values."""
    if pa.types.is_primitive(kind):  # most columns
        return _width(kind)
    if isinstance(kind, pa.BaseExtensionType):
        return widest_bytes(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return widest_bytes(kind.value_type)
    inside = (widest_bytes(kind.field(place).type) for place in range(kind.num_fields))
    return max(type_bytes(kind), max(inside, default=0.0))
