"""Interval conversion turns months, and days with milliseconds, into what columns hold: months, days, nanoseconds.

Java, Spark and the engine itself make them. pyarrow can pass them on but not look into them (a column of such a type
can't even be taken out of its batch), so their bytes are read as the integers that they are. Inside other types they
are refused, as tables can't hold any interval there.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from storage.errors import NotSupported

_MONTHS: Final[int] = pa.lib.Type_INTERVAL_MONTHS
_DAYS: Final[int] = pa.lib.Type_INTERVAL_DAY_TIME
_INTEGERS: Final = {_MONTHS: pa.int32(), _DAYS: pa.int64()}  # of the same bytes
_DAY_LAYOUT: Final = np.dtype([("days", "<i4"), ("milliseconds", "<i4")])
_LAYOUT: Final = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])
_NANOSECONDS: Final = 1_000_000


def interval_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` with intervals of the one kind. Raises NotSupported (such intervals inside other types)."""
    if not any(map(_has_other_units, schema.types)):
        return schema
    return pa.schema([_interval_field(field) for field in schema], schema.metadata)


def interval_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch` as `schema`, which `interval_schema` gave for its own."""
    kinds = [kind.id for kind in batch.schema.types]
    if _INTEGERS.keys().isdisjoint(kinds):
        return batch
    fields = [f.with_type(_INTEGERS[k]) if k in _INTEGERS else f for f, k in zip(batch.schema, kinds, strict=True)]
    read = pa.record_batch(_Reread(batch, pa.schema(fields)))
    columns = [_intervals(c, k) if k in _INTEGERS else c for c, k in zip(read.columns, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def interval_type(kind: pa.DataType) -> pa.DataType:
    """`kind`, or the one kind of interval for the others."""
    return pa.month_day_nano_interval() if kind.id in _INTEGERS else kind


def _interval_field(field: pa.Field) -> pa.Field:
    if field.type.id in _INTEGERS:
        return field.with_type(interval_type(field.type))
    if _has_other_units(field.type):
        raise NotSupported(
            f"column '{field.name}' has type {field.type}, which can't be read; of intervals inside other types only "
            "month_day_nano_interval can"
        )
    return field


def _has_other_units(kind: pa.DataType) -> bool:
    if kind.id in _INTEGERS:
        return True
    if isinstance(kind, pa.BaseExtensionType):
        return _has_other_units(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _has_other_units(kind.value_type)
    return any(_has_other_units(kind.field(place).type) for place in range(kind.num_fields))


class _Reread:
    """A batch whose bytes are taken for those of another schema, by way of the C interface: nothing is copied."""

    def __init__(self, batch: pa.RecordBatch, schema: pa.Schema) -> None:
        self._batch = batch
        self._schema = schema

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]:
        return self._schema.__arrow_c_schema__(), self._batch.__arrow_c_array__()[1]


def _intervals(integers: pa.Array, kind: int) -> pa.Array:
    valid = integers.is_valid().to_numpy(zero_copy_only=False)
    plain = integers.fill_null(0).to_numpy()
    parts = np.zeros(len(integers), _LAYOUT)
    if kind == _MONTHS:
        parts["months"] = plain
    else:
        read = plain.view(_DAY_LAYOUT)
        parts["days"] = read["days"]
        parts["nanoseconds"] = read["milliseconds"].astype(np.int64) * _NANOSECONDS
    buffers = [pa.array(valid).buffers()[1], pa.py_buffer(parts)]
    return pa.Array.from_buffers(pa.month_day_nano_interval(), len(integers), buffers)
