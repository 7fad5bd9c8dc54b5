"""Parameter schemas as some clients need to be told of them, and as some send them.

The JDBC driver, to its version 19 at least, writes a java.sql.Timestamp or Time as milliseconds into whatever unit
the parameter's type has: into microseconds, 2024 becomes 1970. So it is told milliseconds, which is what it has.
Timestamps of two units can be compared; times can't, so a bound time takes the unit that the statement asks for.

flightsql-dbapi, which Superset uses, packs each value into a union of all the types it knows; we want the value.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from storage.errors import InvalidRequest, NotSupported


def in_milliseconds(parameters: pa.Schema) -> pa.Schema:
    """`parameters` with all times and timestamps in milliseconds, zones kept."""
    return pa.schema([field.with_type(_in_milliseconds(field.type)) for field in parameters])


def _in_milliseconds(data_type: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(data_type):
        return pa.timestamp("ms", data_type.tz)
    return pa.time32("ms") if pa.types.is_time(data_type) else data_type


def as_asked(batch: pa.RecordBatch, parameters: pa.Schema) -> pa.RecordBatch:
    """`batch` without unions, its times of day in the units of `parameters` as far as they fit without loss.

    Raises: InvalidRequest (a union that holds values of several types)
    """
    if not any(pa.types.is_time(kind) or pa.types.is_union(kind) for kind in batch.schema.types):
        return batch
    columns = [_without_union(column) for column in batch.columns]
    columns = [
        _in_unit(column, parameters.field(place).type) if place < len(parameters) else column
        for place, column in enumerate(columns)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _without_union(column: pa.Array) -> pa.Array:
    if not pa.types.is_union(column.type):
        return column
    kinds = pc.unique(column.type_codes).to_pylist()
    if len(kinds) != 1:
        raise InvalidRequest("a parameter has values of several types; send those of one type together")
    member = column.field(column.type.type_codes.index(kinds[0]))
    try:
        return member.take(column.offsets) if column.type.mode == "dense" else member
    except pa.ArrowNotImplementedError:
        raise NotSupported(f"a parameter has type {column.type}, which a statement can't take") from None


def _in_unit(column: pa.Array, asked: pa.DataType) -> pa.Array:
    if not (pa.types.is_time(column.type) and pa.types.is_time(asked)):
        return column
    try:
        return column.cast(asked)
    except pa.ArrowInvalid:  # finer than the unit: the engine says what it thinks of that
        return column
