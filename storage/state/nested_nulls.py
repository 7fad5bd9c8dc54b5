"""Clears what lies beneath a NULL in nested arrays: fields of a NULL struct, items of a NULL list or map.

Arrow allows anything there, and clients send it (a pandas or polars struct has 0 and '' beneath a NULL). The engine
reads it in places: `s['a']` gives the field without asking the struct, `m['k']` finds keys in NULL maps,
`array_append` keeps the items of a NULL list. Parquet has nothing beneath a NULL, so the same rows would answer
otherwise once they are in files. Rows are cleared where they come in, and where older ones are read from RocksDB.

Values are not copied: a struct's NULLs are added to its fields' own (0.2 ms a million rows), a list is only looked
into where there may be something. Nothing at all is done for types that have nothing beneath.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from storage.state.batch_rows import kept_rows

_LIST_VIEWS = (pa.ListViewArray, pa.LargeListViewArray)


def cleared(array: pa.Array) -> pa.Array:
    """`array` with NULL or nothing beneath every NULL; the very same one where it has no nested type."""
    kind = array.type
    if lacks_null_bits(kind):
        return array
    if isinstance(array, pa.ExtensionArray):
        before = array.storage
        after = cleared(before)
        return array if after is before else pa.ExtensionArray.from_storage(kind, after)
    if isinstance(array, pa.StructArray):
        return _struct(array)
    if isinstance(array, pa.FixedSizeListArray):
        return _fixed_list(array)
    if isinstance(array, (pa.ListArray, pa.LargeListArray)):  # maps are lists too
        return _list(array)
    if isinstance(array, _LIST_VIEWS):
        return _with_child(array, 3)
    if isinstance(array, pa.DictionaryArray):
        return _dictionary(array)
    return array


@lru_cache(maxsize=1024)
def lacks_null_bits(kind: pa.DataType) -> bool:
    """Whether run ends or unions are in the type: these have no NULLs of their own, no column has them inside of other
    types, and Arrow aborts the process over slices of them."""
    if isinstance(kind, pa.BaseExtensionType):
        return lacks_null_bits(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return lacks_null_bits(kind.value_type)
    if pa.types.is_run_end_encoded(kind) or pa.types.is_union(kind):
        return True
    return any(lacks_null_bits(kind.field(place).type) for place in range(kind.num_fields))


def cleared_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same of every column."""
    before = batch.columns
    columns = [cleared(column) for column in before]
    if all(new is old for new, old in zip(columns, before, strict=True)):
        return batch
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _struct(array: pa.StructArray) -> pa.Array:
    """A field that is declared NOT NULL has NULLs beneath NULL structs only, which all readers take."""
    if not array.type.num_fields:
        return array
    before = array.flatten()  # adds the struct's NULLs
    fields = [cleared(field) for field in before]
    if not array.null_count and all(new is old for new, old in zip(fields, before, strict=True)):
        return array
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(fields, fields=list(array.type), mask=mask)


def _fixed_list(array: pa.FixedSizeListArray) -> pa.Array:
    size = array.type.list_size
    before = values = array.values.slice(array.offset * size, len(array) * size)
    mask = array.is_null() if array.null_count else None
    if mask is not None and size:
        values = _masked(values, np.repeat(mask.to_numpy(zero_copy_only=False), size))
    values = cleared(values)
    if values is before:
        return array
    return pa.FixedSizeListArray.from_arrays(values, type=array.type, mask=mask)


def _masked(values: pa.Array, nulls: np.ndarray) -> pa.Array:
    """`values`, NULL where `nulls` is true, whatever their type."""
    return pa.StructArray.from_arrays([values], names=["v"], mask=pa.array(nulls)).flatten()[0]


def _list(array: pa.ListArray | pa.LargeListArray) -> pa.Array:
    if array.null_count:
        lengths = np.diff(array.offsets.to_numpy())
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        if lengths[~valid].any():
            return _without_hidden(array, lengths, valid)
    return _with_child(array, 2)


def _without_hidden(array: pa.ListArray | pa.LargeListArray, lengths: np.ndarray, valid: np.ndarray) -> pa.Array:
    """NULL lists and maps made empty, their items left out."""
    starts = array.offsets.to_numpy()
    values = array.values.slice(int(starts[0]), int(starts[-1] - starts[0]))
    offsets = np.concatenate([[0], np.cumsum(lengths * valid)]).astype(starts.dtype)
    buffers = [pa.array(valid).buffers()[1], pa.py_buffer(offsets)]
    kept = cleared(_kept(values, np.repeat(valid, lengths)))
    return pa.Array.from_buffers(array.type, len(array), buffers, children=[kept])


def _with_child(array: pa.Array, own_buffers: int) -> pa.Array:
    """The list with its items cleared; offsets stay."""
    before = array.values
    items = cleared(before)
    if items is before:
        return array
    buffers = array.buffers()[:own_buffers]
    return pa.Array.from_buffers(array.type, len(array), buffers, offset=array.offset, children=[items])


def _dictionary(array: pa.DictionaryArray) -> pa.Array:
    """A NULL in the dictionary becomes one of the rows: Parquet takes no other."""
    kind, before = array.type, array.dictionary
    values = cleared(before)
    if not values.null_count:
        if values is before:
            return array
        return pa.DictionaryArray.from_arrays(array.indices, values, ordered=kind.ordered)
    valid = values.is_valid().to_numpy(zero_copy_only=False)
    places = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
    nulls = array.indices.is_null().to_numpy(zero_copy_only=False) | ~valid[places]
    moved = (np.cumsum(valid) - 1)[places]
    indices = pa.array(np.where(nulls, 0, moved), kind.index_type, mask=nulls)
    return pa.DictionaryArray.from_arrays(indices, _kept(values, valid), ordered=kind.ordered)


def _kept(values: pa.Array, keep: np.ndarray) -> pa.Array:
    return kept_rows(pa.RecordBatch.from_arrays([values], names=["v"]), keep).column(0)
