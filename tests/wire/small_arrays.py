"""Arrays that are small in memory and stand for very much."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from flight_server.query.results.written_out import NULL_BYTES

HUGE = 2**31 - 1


TEXT = "x" * 1000


def int32(*numbers: int) -> pa.Array:
    return pa.array(numbers, pa.int32())


# Each says what one of its values is; all have HUGE values, or as many as the memory of a few numbers lets be.
SMALL: dict[str, tuple[pa.Array, float]] = {
    "null": (pa.nulls(HUGE), NULL_BYTES * HUGE),
    "dictionary": (
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(10_000, np.int8)), pa.array([TEXT])),
        10_000 * 1000,
    ),
    "run ends": (pa.RunEndEncodedArray.from_arrays(int32(5, HUGE), pa.array([None, TEXT])), (HUGE - 5) * 1000.0),
    "text views": (pa.array([TEXT] * 10_000).dictionary_encode().cast(pa.string()).cast(pa.string_view()), 10_000_000),
    "list views": (
        pa.ListViewArray.from_arrays(int32(*[0] * 1000), int32(*[10_000] * 1000), pa.array(np.zeros(10_000))),
        1000 * 10_000 * 8,
    ),
    "large list views": (
        pa.LargeListViewArray.from_arrays(
            pa.array([0] * 1000, pa.int64()), pa.array([10_000] * 1000, pa.int64()), pa.array(np.zeros(10_000))
        ),
        1000 * 10_000 * 8,
    ),
    "fixed lists of null": (pa.FixedSizeListArray.from_arrays(pa.nulls(HUGE - 1), (HUGE - 1) // 2), HUGE * NULL_BYTES),
    "lists of null": (pa.ListArray.from_arrays(int32(0, HUGE), pa.nulls(HUGE)), HUGE * NULL_BYTES),
    "large lists of null": (
        pa.LargeListArray.from_arrays(pa.array([0, HUGE], pa.int64()), pa.nulls(HUGE)),
        HUGE * NULL_BYTES,
    ),
    "dictionary of null": (
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, np.int8)), pa.nulls(HUGE)),
        1000 * NULL_BYTES,
    ),
    "run ends of null": (pa.RunEndEncodedArray.from_arrays(int32(HUGE), pa.nulls(1)), HUGE * NULL_BYTES),
}


def as_list(array: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(int32(0, min(len(array), HUGE)), array)
