"""Column metadata tells clients of a column beyond its Arrow type, in the metadata of its field.

The name of a type is always one that CommandGetXdbcTypeInfo lists, without digits or lengths: ODBC tools look it up
there, and refuse a whole table for one column whose type they don't find. Digits and lengths stand beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import pyarrow as pa

from storage.catalog.names import CATALOG
from storage.catalog.schema import Column, TableDef

_PREFIX: Final = "ARROW:FLIGHT:SQL:"
_T = pa.types
_SIMPLE_NAMES: Final[tuple[tuple[object, str], ...]] = (
    (_T.is_boolean, "BOOLEAN"),
    (_T.is_int8, "TINYINT"),
    (_T.is_int16, "SMALLINT"),
    (_T.is_int32, "INTEGER"),
    (_T.is_int64, "BIGINT"),
    (_T.is_uint8, "TINYINT UNSIGNED"),
    (_T.is_uint16, "SMALLINT UNSIGNED"),
    (_T.is_uint32, "INTEGER UNSIGNED"),
    (_T.is_uint64, "BIGINT UNSIGNED"),
    (_T.is_float16, "REAL"),
    (_T.is_float32, "REAL"),
    (_T.is_float64, "DOUBLE"),
    (_T.is_decimal, "DECIMAL"),
    (_T.is_date, "DATE"),
    (_T.is_time, "TIME"),
    (_T.is_duration, "INTERVAL"),
    (_T.is_interval, "INTERVAL"),
    (_T.is_null, "NULL"),
)
_TEXTS: Final = (_T.is_string, _T.is_large_string, _T.is_string_view)
_BYTES: Final = (_T.is_binary, _T.is_large_binary, _T.is_binary_view, _T.is_fixed_size_binary)
_LISTS: Final = (_T.is_list, _T.is_large_list, _T.is_fixed_size_list, _T.is_list_view, _T.is_large_list_view)
# Decimal digits that the widest value of a type has.
_INTEGER_DIGITS: Final = {8: 3, 16: 5, 32: 10, 64: 19}
_KEPT_NAME_CHARS_MAX: Final = 255
_NAMED_BY_DECLARATION: Final = ("UUID", "JSON")  # to Arrow they are text
_IDS: Final = re.compile(r"\s*snowflake_id\s*\(\s*\)\s*", re.IGNORECASE)  # identity columns have it, too
_LENGTH: Final = re.compile(r"(?:VARCHAR|CHAR|VARBINARY|BINARY)\((\d+)\)")


def type_name(data_type: pa.DataType) -> str:
    """The SQL name of an Arrow type, as CommandGetXdbcTypeInfo lists it."""
    if isinstance(data_type, pa.BaseExtensionType):
        return _extension_name(data_type)
    if _T.is_dictionary(data_type):
        return type_name(data_type.value_type)
    if _T.is_timestamp(data_type):
        return "TIMESTAMP" if data_type.tz is None else "TIMESTAMP WITH TIME ZONE"
    if any(test(data_type) for test in _TEXTS):
        return "VARCHAR"
    if any(test(data_type) for test in _BYTES):
        return "BYTEA"
    if any(test(data_type) for test in _LISTS):
        return "ARRAY"
    if _T.is_run_end_encoded(data_type):
        return type_name(data_type.value_type)
    if _T.is_struct(data_type):
        return "STRUCT"
    if _T.is_map(data_type):
        return "MAP"
    return next((name for test, name in _SIMPLE_NAMES if test(data_type)), str(data_type).upper())  # type: ignore[operator]


def _extension_name(data_type: pa.BaseExtensionType) -> str:
    name = data_type.extension_name
    if name in ("arrow.uuid", "arrow.json"):
        return name.removeprefix("arrow.").upper()
    return type_name(data_type.storage_type)


def described_field(
    field: pa.Field,
    sql_type: str,
    table: tuple[str, str] | None = None,
    remarks: str = "",
    *,
    length: int | None = None,
    read_only: bool = False,
    makes_ids: bool = False,
) -> pa.Field:
    """`field` with its SQL type, digits and searchability; `table` is (namespace, name), `length` in characters."""
    notes = {"TYPE_NAME": sql_type, "IS_AUTO_INCREMENT": "1" if makes_ids else "0", "IS_SEARCHABLE": "1"}
    notes["IS_CASE_SENSITIVE"] = "1" if any(test(field.type) for test in _TEXTS) else "0"
    notes["IS_READ_ONLY"] = "1" if read_only else "0"
    digits = (length, 0) if length is not None else _digits(field.type)
    if digits is not None:
        notes["PRECISION"], notes["SCALE"] = str(digits[0]), str(digits[1])
    if table is not None:
        notes["CATALOG_NAME"], notes["DB_SCHEMA_NAME"], notes["TABLE_NAME"] = CATALOG, *table
    if remarks:
        notes["REMARKS"] = remarks
    kept = field.metadata or {}
    return field.with_metadata({**kept, **{_PREFIX + name: text for name, text in notes.items()}})


def described_rows(schema: pa.Schema) -> pa.Schema:
    """The columns of a result: what their types tell. No comments, which the JDBC driver takes for headings."""
    fields = [
        _described_result(field.name, field.type, field.nullable, _notes(field))
        if _may_be_kept(field)
        else described_field(field, type_name(field.type))
        for field in schema
    ]
    return pa.schema(fields)


def _may_be_kept(field: pa.Field) -> bool:
    """Names in a statement, those inside of types too, may be as long as the statement: too much to keep many of."""
    length = len(field.name) + sum(len(key) + len(value) for key, value in _notes(field))
    return length <= _KEPT_NAME_CHARS_MAX and not _T.is_nested(field.type)


def _notes(field: pa.Field) -> tuple[tuple[bytes, bytes], ...]:
    metadata = field.metadata
    return () if metadata is None else tuple(metadata.items())


@lru_cache(maxsize=4096)  # 50 us for each column of each statement otherwise
def _described_result(
    name: str, data_type: pa.DataType, nullable: bool, notes: tuple[tuple[bytes, bytes], ...]
) -> pa.Field:
    return described_field(pa.field(name, data_type, nullable, dict(notes) or None), type_name(data_type))


def described_table(table: TableDef) -> pa.Schema:
    """Its columns as GetTables shows them, declared types and comments included."""
    where = (table.name.namespace, table.name.table)
    return pa.schema([_described_column(column, where) for column in table.columns])


def described_schema(
    schema: pa.Schema, namespace: str, table: str, comment_of: Callable[[str], str] | None = None
) -> pa.Schema:
    """Columns of a view or system table: their types are only Arrow's."""
    where = (namespace, table)
    return pa.schema(
        [
            described_field(
                field, type_name(field.type), where, comment_of(field.name) if comment_of else "", read_only=True
            )
            for field in schema
        ]
    )


def _described_column(column: Column, where: tuple[str, str]) -> pa.Field:
    declared = column.sql_type if column.sql_type in _NAMED_BY_DECLARATION else type_name(column.type)
    length = _LENGTH.fullmatch(column.sql_type)
    return described_field(
        column.field,
        declared,
        where,
        column.comment,
        length=int(length[1]) if length else None,
        makes_ids=column.default_sql is not None and _IDS.fullmatch(column.default_sql) is not None,
    )


def _digits(data_type: pa.DataType) -> tuple[int, int] | None:
    """Precision and scale, for types that have them."""
    if _T.is_decimal(data_type):
        return data_type.precision, data_type.scale
    if _T.is_uint64(data_type):
        return 20, 0
    if _T.is_integer(data_type):
        return _INTEGER_DIGITS[data_type.bit_width], 0
    return None
