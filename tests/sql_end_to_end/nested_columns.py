"""The columns of `arrow_columns`, and more, each inside every type that can hold another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from tests.sql_end_to_end.arrow_columns import arrow_columns, unstorable_columns

_MASK = pa.array([False, True, False])
_PLACES = pa.array([0, 1, 1], pa.int32())
_SIZES = pa.array([1, 0, 2], pa.int32())
_ENDS = pa.array([1, 2, 3], pa.int32())
_KINDS = pa.array([0, 0, 0], pa.int8())
_OFFSETS = pa.array([0, 1, 1, 3], pa.int32())
_DEEP = ("int8", "string", "dictionary", "struct")

_NESTINGS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "list": lambda a: pa.ListArray.from_arrays(_OFFSETS, a),
    "large_list": lambda a: pa.LargeListArray.from_arrays(_OFFSETS.cast(pa.int64()), a),
    "fixed_list": lambda a: pa.FixedSizeListArray.from_arrays(a, 1, mask=_MASK),
    "struct": lambda a: pa.StructArray.from_arrays([a], names=["a"], mask=_MASK),
    "list_view": lambda a: pa.ListViewArray.from_arrays(_PLACES, _SIZES, a),
    "large_list_view": lambda a: pa.LargeListViewArray.from_arrays(*(p.cast(pa.int64()) for p in (_PLACES, _SIZES)), a),
    "map": lambda a: pa.MapArray.from_arrays(_OFFSETS, pa.array(["a", "b", "c"]), a),
    "map_by": lambda a: pa.MapArray.from_arrays(pa.array([0, 1, 1, 1], pa.int32()), a.slice(0, 1), pa.array(["a"])),
    "dictionary": lambda a: pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), a),
    "run_ends": lambda a: pa.RunEndEncodedArray.from_arrays(_ENDS, a),
    "dense_union": lambda a: pa.UnionArray.from_dense(_KINDS, pa.array([0, 1, 2], pa.int32()), [a]),
    "sparse_union": lambda a: pa.UnionArray.from_sparse(_KINDS, [a]),
}


def columns_and_nested() -> Iterator[tuple[str, pa.Array]]:
    """(what it is, three values)."""
    plain = {**arrow_columns(), **unstorable_columns(), **_more_columns()}
    for name, array in plain.items():
        yield name, array
        for outer, nested in _nested_in(array):
            yield f"{outer} of {name}", nested
            if name in _DEEP:
                for outermost, deep in _nested_in(nested):
                    yield f"{outermost} of {outer} of {name}", deep


def _nested_in(array: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    for name, nest in _NESTINGS.items():
        try:
            nested = nest(array)
            nested.validate(full=True)
        except (pa.ArrowException, ValueError):  # Arrow itself has no such type
            continue
        yield name, nested


def _more_columns() -> dict[str, pa.Array]:
    no_bytes = pa.FixedSizeListArray.from_buffers(pa.list_(pa.int8(), 0), 3, [None], children=[pa.array([], pa.int8())])
    opaque = pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "t", "v"), pa.array(["a", "b", None]))
    return {
        "string_view": pa.array(["a", "b" * 30, None], pa.string_view()),
        "binary_view": pa.array([b"a", b"b" * 30, None], pa.binary_view()),
        "opaque": opaque,
        "zone_by_hours": pa.array([1, 2, None], pa.timestamp("s", "+05:30")),
        "fixed_list_of_none": no_bytes,
        "fixed_binary_of_none": pa.array([b"", b"", None], pa.binary(0)),
        "nameless_field": pa.StructArray.from_arrays([pa.array([1, 2, None])], names=[""]),
        "fields_of_one_name": pa.StructArray.from_arrays([pa.array([1, 2, None])] * 2, names=["a", "a"]),
    }
