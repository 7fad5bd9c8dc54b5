"""Parquet types: which Arrow types a file can't hold, and what stands for them in it.

Nearly every Arrow type comes back from Parquet as it went in when the reader is given the schema (tried: all
integers, float16, every decimal width, every time, timestamp with any zone, duration, views, lists of all kinds,
maps, structs, dictionaries, null, uuid, json). The rest:

| column type                           | in a file                                          |
| ------------------------------------- | -------------------------------------------------- |
| month_day_nano_interval               | text: '1 months -2 days 3 nanoseconds'             |
| run_end_encoded<values>               | the values                                         |
| decimal with a negative scale         | decimal with scale 0, wide enough                  |
| ordered dictionary                    | dictionary (the flag is lost, in answers too)      |
| union, empty struct, size 0; these above when nested | not storable                         |
| dictionary of other than numbers, text, bytes, days and moments | not storable              |
| run ends of dictionaries, run ends, extensions | not storable                               |

A cast from the file's type to the column's restores the value; every text above is one that such a cast reads.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.state.casts import cast

_INTERVAL_LAYOUT: Final = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])
_DECIMAL128_DIGITS_MAX: Final = 38
_DECIMAL256_DIGITS_MAX: Final = 76
# What a dictionary may hold: Arrow or the engine can't write or read the others as dictionaries in Parquet.
_CODED: Final = (
    pa.types.is_integer,
    pa.types.is_float32,
    pa.types.is_float64,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_date,
    lambda kind: pa.types.is_timestamp(kind) and kind.unit != "s",
    pa.types.is_duration,
)
_CODED_INSIDE: Final = (pa.types.is_string, pa.types.is_binary)


def file_type(data_type: pa.DataType) -> pa.DataType:
    """The type that a column of `data_type` has in Parquet; mostly `data_type` itself."""
    if data_type == pa.month_day_nano_interval():
        return pa.string()
    if pa.types.is_run_end_encoded(data_type):
        return file_type(data_type.value_type)
    if pa.types.is_decimal(data_type) and data_type.scale < 0:
        return _whole_decimal(data_type)
    if pa.types.is_dictionary(data_type) and data_type.ordered:
        return pa.dictionary(data_type.index_type, data_type.value_type)
    return data_type


def is_storable(data_type: pa.DataType) -> bool:
    """Whether a column may have this type."""
    if pa.types.is_decimal(data_type) and data_type.scale < 0:
        return bool(data_type.precision - data_type.scale <= _DECIMAL256_DIGITS_MAX)
    if pa.types.is_run_end_encoded(data_type) and _lacks_decoding(data_type.value_type):
        return False
    return _is_plain(file_type(data_type))


def to_file_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` as it is written to Parquet. Types must be storable. No copy when nothing differs."""
    fields = [field.with_type(file_type(field.type)) for field in batch.schema]
    if all(field.type == own.type for field, own in zip(fields, batch.schema, strict=True)):
        return batch
    columns = [_to_file(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, batch.schema.metadata))


def from_file_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Inverse of `to_file_batch`: `schema` is the schema of the batch that was written."""
    columns = [_from_file(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _is_plain(data_type: pa.DataType) -> bool:
    """Whether Parquet holds the type, and all types in it, as they are."""
    if pa.types.is_union(data_type) or file_type(data_type) != data_type:
        return False
    if isinstance(data_type, pa.BaseExtensionType):
        return _is_plain(data_type.storage_type)
    if pa.types.is_dictionary(data_type):
        return any(is_of(data_type.value_type) for is_of in _CODED)
    if _has_no_bytes(data_type):
        return False
    return all(_is_plain_inside(data_type.field(i).type) for i in range(data_type.num_fields))


def _is_plain_inside(data_type: pa.DataType) -> bool:
    if pa.types.is_dictionary(data_type):
        return any(is_of(data_type.value_type) for is_of in _CODED_INSIDE)
    return _is_plain(data_type)


def _lacks_decoding(data_type: pa.DataType) -> bool:
    """Whether Arrow has no kernel that makes plain values of run ends of these."""
    if isinstance(data_type, pa.BaseExtensionType) or pa.types.is_run_end_encoded(data_type):
        return True
    return pa.types.is_dictionary(data_type)


def _has_no_bytes(data_type: pa.DataType) -> bool:
    """A struct without fields, or values of a fixed size of 0: Parquet forgets how many there are."""
    if pa.types.is_struct(data_type):
        return data_type.num_fields == 0
    if pa.types.is_fixed_size_list(data_type):
        return data_type.list_size == 0
    return pa.types.is_fixed_size_binary(data_type) and data_type.byte_width == 0


def _whole_decimal(data_type: pa.DataType) -> pa.DataType:
    digits = data_type.precision - data_type.scale
    if digits <= _DECIMAL128_DIGITS_MAX:
        return pa.decimal128(_DECIMAL128_DIGITS_MAX, 0)
    return pa.decimal256(_DECIMAL256_DIGITS_MAX, 0)


def _to_file(column: pa.Array) -> pa.Array:
    wanted = file_type(column.type)
    if column.type == wanted:
        return column
    if column.type == pa.month_day_nano_interval():
        return _interval_texts(column)
    if pa.types.is_run_end_encoded(column.type):
        return _to_file(pc.run_end_decode(column))
    return column.cast(wanted)


def _from_file(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if column.type == wanted:
        return column
    if wanted == pa.month_day_nano_interval():
        return pa.array([_interval(text.as_py()) for text in column], type=wanted)
    if pa.types.is_run_end_encoded(wanted):
        values = _from_file(column, wanted.value_type)
        return pc.run_end_encode(values, run_end_type=wanted.run_end_type)
    if pa.types.is_dictionary(wanted):
        # Parquet's reader makes dictionaries of text alone; other values come plain.
        coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
        indices = coded.indices.cast(wanted.index_type)
        return pa.DictionaryArray.from_arrays(indices, coded.dictionary, ordered=wanted.ordered)
    return cast(column, wanted)


def _interval_texts(column: pa.Array) -> pa.Array:
    data = column.buffers()[1]
    if data is None:
        return pa.nulls(len(column), pa.string())
    parts = np.frombuffer(data, dtype=_INTERVAL_LAYOUT, count=column.offset + len(column))[column.offset :]
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    return pa.array(
        [f"{m} months {d} days {n} nanoseconds" if ok else None for (m, d, n), ok in zip(parts, valid, strict=True)],
        type=pa.string(),
    )


def _interval(text: str | None) -> pa.MonthDayNano | None:
    if text is None:
        return None
    months, _, days, _, nanoseconds, _ = text.split(" ")
    return pa.MonthDayNano((int(months), int(days), int(nanoseconds)))
