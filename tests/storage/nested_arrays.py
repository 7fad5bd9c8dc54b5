"""Generated nested arrays with values beneath their NULLs, as clients send them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

KEYS = ("k", "l")
_NESTING_MAX = 3


def leaf_types() -> st.SearchStrategy[pa.DataType]:
    return st.sampled_from([pa.int32(), pa.string(), pa.bool_(), pa.float64(), pa.date32(), pa.decimal128(9, 2)])


def nested_types(depth: int = _NESTING_MAX) -> st.SearchStrategy[pa.DataType]:
    """Structs, lists of three kinds and maps, of each other and of plain types."""
    inner = leaf_types() if depth == 1 else st.one_of(leaf_types(), nested_types(depth - 1))
    return st.one_of(
        st.lists(st.tuples(inner, st.booleans()), min_size=1, max_size=3).map(_struct_type),
        inner.map(pa.list_),
        inner.map(pa.large_list),
        st.tuples(inner, st.integers(1, 3)).map(lambda given: pa.list_(*given)),
        inner.map(lambda item: pa.map_(pa.string(), item)),
    )


def _struct_type(members: list[tuple[pa.DataType, bool]]) -> pa.DataType:
    return pa.struct([pa.field("abc"[place], *member) for place, member in enumerate(members)])


@st.composite
def arrays(draw: st.DrawFn, kind: pa.DataType, rows: int, *, nullable: bool = True) -> pa.Array:
    """`rows` values of `kind`, with something beneath each NULL; sometimes a slice."""
    before, behind = draw(st.sampled_from([(0, 0), (1, 2)]))
    seed = draw(st.integers(0, 1 << 32))
    made = _made(np.random.default_rng(seed), kind, before + rows + behind, nullable)
    return made.slice(before, rows)


def _made(random: np.random.Generator, kind: pa.DataType, rows: int, nullable: bool) -> pa.Array:
    nulls = random.random(rows) < 0.4 if nullable else np.zeros(rows, dtype=bool)
    mask = pa.array(nulls)
    if pa.types.is_struct(kind):
        fields = list(kind)
        members = [_made(random, field.type, rows, field.nullable) for field in fields]
        return pa.StructArray.from_arrays(members, fields=fields, mask=mask)
    if pa.types.is_fixed_size_list(kind):
        items = _made(random, kind.value_type, rows * kind.list_size, True)
        return pa.FixedSizeListArray.from_arrays(items, type=kind, mask=mask)
    if pa.types.is_map(kind):
        return _map(random, kind, rows, mask)
    if pa.types.is_nested(kind):
        offsets = np.concatenate([[0], np.cumsum(random.integers(0, 3, rows))])
        items = _made(random, kind.value_type, int(offsets[-1]), True)
        of = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
        places = pa.array(offsets, pa.int64() if of is pa.LargeListArray else pa.int32())
        return of.from_arrays(places, items, type=kind, mask=mask)
    plain = pa.array([_value(random, kind) for _ in range(rows)], kind)
    return pa.Array.from_buffers(kind, rows, [_bits(~nulls), *plain.buffers()[1:]])


def _map(random: np.random.Generator, kind: pa.DataType, rows: int, mask: pa.Array) -> pa.Array:
    counts = random.integers(0, len(KEYS) + 1, rows)
    keys = [key for count in counts for key in KEYS[:count]]
    items = _made(random, kind.item_type, len(keys), True)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    return pa.MapArray.from_arrays(offsets, pa.array(keys, pa.string()), items, type=kind, mask=mask)


def _bits(valid: np.ndarray) -> pa.Buffer:
    return pa.array(valid).buffers()[1]


def _value(random: np.random.Generator, kind: pa.DataType) -> Any:
    number = int(random.integers(0, 100))
    if pa.types.is_string(kind):
        return f"text {number}"
    return number % 2 == 0 if pa.types.is_boolean(kind) else number


def is_clear(array: pa.Array) -> bool:
    """Whether nothing lies beneath the NULLs of `array`, at any depth."""
    kind, valid = array.type, array.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_struct(kind):
        members = [array.field(place) for place in range(kind.num_fields)]
        return all(not (_valid(m) & ~valid).any() and is_clear(m) for m in members)
    if pa.types.is_fixed_size_list(kind):
        size = kind.list_size
        items = array.values.slice(array.offset * size, len(array) * size)
        return not (_valid(items) & ~np.repeat(valid, size)).any() and is_clear(items)
    if not pa.types.is_nested(kind):
        return True
    starts = array.offsets.to_numpy()
    items = array.values.slice(int(starts[0]), int(starts[-1] - starts[0]))
    return not np.diff(starts)[~valid].any() and is_clear(items)


def _valid(array: pa.Array) -> np.ndarray:
    found: np.ndarray = array.is_valid().to_numpy(zero_copy_only=False)
    return found
