"""Plain types: text and bytes with offsets of 32 bits, whatever a client loaded; to SQL they are VARCHAR and BYTEA.

Many clients take the large ones for something else (a BLOB, a memo). A session that wants them back as they were loaded
sets `exact_types`. What is inside of lists, structs and maps stays as it is.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

_PLAIN: Final = ((pa.large_utf8(), pa.utf8()), (pa.large_binary(), pa.binary()))


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The very same when all is plain."""
    types = [plain_type(field.type) for field in schema]
    if types == schema.types:
        return schema
    fields = [field.with_type(kind) for field, kind in zip(schema, types, strict=True)]
    return pa.schema(fields, schema.metadata)


def plain_type(data_type: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(data_type):
        return pa.dictionary(data_type.index_type, plain_type(data_type.value_type), data_type.ordered)
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
