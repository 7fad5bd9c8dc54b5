"""Bound values as the engine takes them: it makes an Arrow array of each, which not every scalar lets be done."""

from __future__ import annotations

import pyarrow as pa

from flight_server.sql.context.statement_context import Params
from storage.errors import NotSupported
from storage.state.nested_nulls import cleared, lacks_null_bits


def bound_values(batch: pa.RecordBatch, row: int = 0) -> Params:
    """Placeholder name ("1") -> its value in the row. Raises NotSupported (a type that no statement can take)."""
    return {str(place): _taken(place, column, row) for place, column in enumerate(batch.columns, start=1)}


def _taken(place: int, column: pa.Array, row: int) -> pa.Scalar:
    try:
        return _value(column, row)
    except Exception:  # whatever Arrow raises for a type that it can't do something with, SystemError too
        raise NotSupported(f"parameter ${place} has type {column.type}, which a statement can't take") from None


def _value(column: pa.Array, row: int) -> pa.Scalar:
    kind = column.type
    if pa.types.is_run_end_encoded(kind) and not lacks_null_bits(kind.value_type):
        return _value(pa.array([column[row].value]), 0)
    if lacks_null_bits(kind):
        raise TypeError
    if isinstance(column, pa.ExtensionArray) and pa.types.is_nested(kind.storage_type):
        return _value(column.storage, row)
    value = cleared(column.slice(row, 1))[0]
    if pa.types.is_nested(kind) or pa.types.is_dictionary(kind):
        if not value.is_valid:
            return pa.scalar(None)  # a NULL of any type; Arrow makes no array of a NULL list
        pa.array([value])
    return value
