"""Parameters as some clients need to be told of them.

The JDBC driver, to its version 19 at least, writes a java.sql.Timestamp or Time as milliseconds into whatever unit
the parameter's type has: into microseconds, 2024 becomes 1970. So it is told milliseconds, which is what it has.
Timestamps of two units can be compared; times can't, so a bound time takes the unit that the statement asks for.
"""

from __future__ import annotations

import pyarrow as pa


def in_milliseconds(parameters: pa.Schema) -> pa.Schema:
    """`parameters` with all times and timestamps in milliseconds, zones kept."""
    return pa.schema([field.with_type(_in_milliseconds(field.type)) for field in parameters])


def _in_milliseconds(data_type: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(data_type):
        return pa.timestamp("ms", data_type.tz)
    return pa.time32("ms") if pa.types.is_time(data_type) else data_type


def as_asked(batch: pa.RecordBatch, parameters: pa.Schema) -> pa.RecordBatch:
    """`batch` with its times of day in the units of `parameters`, as far as they fit without loss."""
    if not any(pa.types.is_time(kind) for kind in batch.schema.types):
        return batch
    columns = [
        _as_asked(column, parameters.field(place).type) if place < len(parameters) else column
        for place, column in enumerate(batch.columns)
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _as_asked(column: pa.Array, asked: pa.DataType) -> pa.Array:
    if not (pa.types.is_time(column.type) and pa.types.is_time(asked)):
        return column
    try:
        return column.cast(asked)
    except pa.ArrowInvalid:  # finer than the unit: the engine says what it thinks of that
        return column
