"""Casts that Arrow has no kernel for: list views and run ends, item by item."""

from __future__ import annotations

import pyarrow as pa


def cast(values: pa.Array, to: pa.DataType) -> pa.Array:
    """Raises as Arrow's own cast."""
    if values.type == to:
        return values
    if isinstance(values, (pa.ListViewArray, pa.LargeListViewArray)) and values.type.id == to.id:
        return _with_children(values, to, 3, [cast(values.values, to.value_type)])
    if isinstance(values, pa.RunEndEncodedArray) and values.type.id == to.id:
        ends = values.run_ends.cast(to.run_end_type)
        return _with_children(values, to, 1, [ends, cast(values.values, to.value_type)])
    return values.cast(to)


def _with_children(array: pa.Array, to: pa.DataType, own_buffers: int, children: list[pa.Array]) -> pa.Array:
    buffers = array.buffers()[:own_buffers]
    return pa.Array.from_buffers(to, len(array), buffers, offset=array.offset, children=children)
