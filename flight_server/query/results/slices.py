"""Slicing cuts rows into slices, so that what a few bytes stand for is never written out all at once.

A slice has ROWS_MAX rows at most, and BYTES_MAX when its values are written out, unless a single row is larger.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from flight_server.query.results.written_out import columns_bytes
from storage.errors import LimitExceeded

ROWS_MAX: Final = 65_536
BYTES_MAX: Final = 64 << 20
ROW_BYTES_MAX: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are to be written out.

    row_bytes:  of what is put beside the columns in each row
    null_bytes: of a value of the type null, in the column that takes it; asked for when rows are to be cut
    """

    columns: Sequence[pa.Array]
    count: int
    row_bytes: float
    null_bytes: Callable[[], float]


def slices(rows: Rows) -> Iterator[tuple[int, int]]:
    """First row, and the one after the last, of each. Raises LimitExceeded for a row that is too large."""
    if rows.count <= 1 and rows.row_bytes <= BYTES_MAX and all(map(_is_plain, rows.columns)):
        yield 0, rows.count
        return
    yield from _cut(rows, rows.null_bytes(), 0, rows.count, ROWS_MAX)


def _cut(rows: Rows, null_bytes: float, first: int, end: int, count: int) -> Iterator[tuple[int, int]]:
    """Slices of `count` rows, and where they are too large slices of those."""
    starts = np.arange(first, end, count)
    stops = np.minimum(starts + count, end)
    sizes = columns_bytes(rows.columns, starts, stops, null_bytes) + (stops - starts) * rows.row_bytes
    for start, stop, size in zip(starts.tolist(), stops.tolist(), sizes.tolist(), strict=True):
        if size <= BYTES_MAX:
            yield start, stop
        elif stop - start > 1:
            parts = min(stop - start, max(2, math.ceil(size / BYTES_MAX)))
            yield from _cut(rows, null_bytes, start, stop, math.ceil((stop - start) / parts))
        elif size <= ROW_BYTES_MAX:
            yield start, stop
        else:
            raise LimitExceeded(
                f"a row would be {size:.0f} bytes, written out; at most {ROW_BYTES_MAX} are allowed", sqlstate="54000"
            )


def _is_plain(column: pa.Array) -> bool:
    """Whether it weighs what it stands for."""
    kind = column.type
    is_encoded = pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) or pa.types.is_null(kind)
    return not (is_encoded or kind.num_fields or isinstance(kind, pa.BaseExtensionType))
