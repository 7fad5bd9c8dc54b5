"""Type names say what an Arrow type is called in SQL, for bulk ingest and for metadata."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.types as arrow

from flight_server.parser.text.precisions import DIGITS_OF_UNITS
from storage.catalog.names import quoted

_EXTENSIONS: Final = {"arrow.uuid": "UUID", "arrow.json": "JSON", "arrow.bool8": "BOOLEAN"}
_PLAIN: Final = (
    (arrow.is_boolean, "BOOLEAN"),
    (arrow.is_int8, "TINYINT"),
    (arrow.is_int16, "SMALLINT"),
    (arrow.is_int32, "INTEGER"),
    (arrow.is_int64, "BIGINT"),
    (arrow.is_uint8, "TINYINT UNSIGNED"),
    (arrow.is_uint16, "SMALLINT UNSIGNED"),
    (arrow.is_uint32, "INTEGER UNSIGNED"),
    (arrow.is_uint64, "BIGINT UNSIGNED"),
    (arrow.is_float16, "REAL"),
    (arrow.is_float32, "REAL"),
    (arrow.is_float64, "DOUBLE"),
    (arrow.is_string, "VARCHAR"),
    (arrow.is_large_string, "VARCHAR"),
    (arrow.is_string_view, "VARCHAR"),
    (arrow.is_binary, "BYTEA"),
    (arrow.is_large_binary, "BYTEA"),
    (arrow.is_binary_view, "BYTEA"),
    (arrow.is_date, "DATE"),
    (arrow.is_interval, "INTERVAL"),
    (arrow.is_duration, "INTERVAL"),
    (arrow.is_null, "NULL"),
)


def sql_type_name(data_type: pa.DataType) -> str:
    """The SQL name of any Arrow type; dictionaries and encodings are called after their values."""
    if isinstance(data_type, pa.BaseExtensionType):
        return _EXTENSIONS.get(data_type.extension_name) or sql_type_name(data_type.storage_type)
    if arrow.is_dictionary(data_type) or arrow.is_run_end_encoded(data_type):
        return sql_type_name(data_type.value_type)
    plain = next((name for is_of, name in _PLAIN if is_of(data_type)), None)
    return plain or _with_number(data_type) or _nested(data_type) or str(data_type).upper()


def _with_number(data_type: pa.DataType) -> str | None:
    if arrow.is_decimal(data_type):
        return f"DECIMAL({data_type.precision}, {data_type.scale})"
    if arrow.is_fixed_size_binary(data_type):
        return f"BINARY({data_type.byte_width})"
    if arrow.is_time(data_type):
        return f"TIME{_digits(data_type.unit)}"
    if arrow.is_timestamp(data_type):
        return f"TIMESTAMP{_digits(data_type.unit)}" + (" WITH TIME ZONE" if data_type.tz else "")
    return None


def _digits(unit: str) -> str:
    return "" if unit == "us" else f"({DIGITS_OF_UNITS[unit]})"


def _nested(data_type: pa.DataType) -> str | None:
    if arrow.is_fixed_size_list(data_type):
        return f"{sql_type_name(data_type.value_type)}[{data_type.list_size}]"
    if arrow.is_map(data_type):
        return f"MAP<{sql_type_name(data_type.key_type)}, {sql_type_name(data_type.item_type)}>"
    if arrow.is_struct(data_type):
        members = (f"{quoted(field.name)} {sql_type_name(field.type)}" for field in data_type)
        return f"STRUCT<{', '.join(members)}>"
    if hasattr(data_type, "value_type"):  # lists, large lists and list views
        return f"{sql_type_name(data_type.value_type)}[]"
    return None
