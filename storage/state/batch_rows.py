"""Filters and sorts rows of a batch, also of the types that Arrow's own kernels lack.

Arrow 26 can neither filter nor take views (string_view, binary_view) and run ends, also inside other types, and
sorts only plain types. Such columns go through their plain form; nested ones are pieced together from slices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def kept_rows(batch: pa.RecordBatch, keep: np.ndarray | pa.Array) -> pa.RecordBatch:
    """The rows of `batch` for which `keep` (bool, one a row) is true. No copy when that is all of them."""
    mask = keep if isinstance(keep, pa.Array) else pa.array(keep)
    if mask.true_count == batch.num_rows:
        return batch
    if not any(_lacks_kernels(kind) for kind in batch.schema.types):
        return batch.filter(mask)
    return _taken_rows(batch, np.flatnonzero(mask.to_numpy(zero_copy_only=False)))


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """A batch of no rows; Arrow's own `empty_table` has none with extension types inside of other types."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def sorted_rows(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """The rows in rising order of the columns `names`, NULLs last; none of them nested."""
    forms = [_sortable(batch.column(name)) for name in names]
    places = [str(place) for place in range(len(names))]
    order = pc.sort_indices(pa.table(forms, names=places), sort_keys=[(place, "ascending") for place in places])
    return _taken_rows(batch, order.to_numpy())


def rows_at(batch: pa.RecordBatch, at: np.ndarray) -> pa.RecordBatch:
    """The rows at the places `at` (int64), in that order."""
    return _taken_rows(batch, at)


def repeated(value: pa.Array, times: int) -> pa.Array:
    """A one-element array as `times` equal rows."""
    return _taken(value, np.zeros(times, dtype=np.int64))


def _taken_rows(batch: pa.RecordBatch, at: np.ndarray) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([_taken(column, at) for column in batch.columns], schema=batch.schema)


def _taken(column: pa.Array, at: np.ndarray) -> pa.Array:
    kind = column.type
    if not _lacks_kernels(kind):
        return column.take(pa.array(at))
    if pa.types.is_run_end_encoded(kind):
        return pc.run_end_encode(_taken(pc.run_end_decode(column), at), run_end_type=kind.run_end_type)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return column.cast(_plain(kind)).take(pa.array(at)).cast(kind)
    if len(at) == 0:
        return column.slice(0, 0)
    runs = np.split(at, np.flatnonzero(np.diff(at) != 1) + 1)
    return pa.concat_arrays([column.slice(int(run[0]), len(run)) for run in runs])


def _lacks_kernels(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _lacks_kernels(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return False
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind) or pa.types.is_run_end_encoded(kind):
        return True
    return any(_lacks_kernels(kind.field(i).type) for i in range(kind.num_fields))


def _sortable(column: pa.Array) -> pa.Array:
    """What sorts as the column does and has a kernel for it."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _sortable(column.storage)
    if pa.types.is_run_end_encoded(kind):
        return _sortable(pc.run_end_decode(column))
    if pa.types.is_dictionary(kind):
        return _sortable(column.cast(kind.value_type))
    return column.cast(_plain(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    return kind
