"""Plain types replace those that clients can't take: offsets of 32 bits, times in the session's time zone.

To SQL a column is VARCHAR, BYTEA or TIMESTAMP WITH TIME ZONE, whatever was loaded into it. Many clients take the large
types for something else (a BLOB, a memo). A session that wants all as it was loaded sets `exact_types`. What is inside
of lists, structs and maps stays as it is.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

_PLAIN: Final = ((pa.large_utf8(), pa.utf8()), (pa.large_binary(), pa.binary()))
_UTC: Final = "+00:00"  # as sessions write it


def plain_schema(schema: pa.Schema, time_zone: str) -> pa.Schema:
    """The very same when all is plain. time_zone: the session's."""
    zone = "UTC" if time_zone == _UTC else time_zone
    types = [plain_type(field.type, zone) for field in schema]
    if types == schema.types:
        return schema
    fields = [field.with_type(kind) for field, kind in zip(schema, types, strict=True)]
    return pa.schema(fields, schema.metadata)


def plain_type(data_type: pa.DataType, zone: str) -> pa.DataType:
    if pa.types.is_dictionary(data_type):
        return pa.dictionary(data_type.index_type, plain_type(data_type.value_type, zone), data_type.ordered)
    if pa.types.is_timestamp(data_type) and data_type.tz is not None:
        return pa.timestamp(data_type.unit, zone)
    return next((plain for large, plain in _PLAIN if data_type == large), data_type)


def plain_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The rows in the types of `plain_schema`. Values are not copied, unless they lie in several pieces."""
    columns = [_plain(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _plain(column: pa.Array, data_type: pa.DataType) -> pa.Array:
    if column.type == data_type:
        return column
    if isinstance(column, pa.DictionaryArray):
        values = column.dictionary.cast(data_type.value_type)
        return pa.DictionaryArray.from_arrays(column.indices, values, ordered=data_type.ordered)
    return column.cast(data_type)
