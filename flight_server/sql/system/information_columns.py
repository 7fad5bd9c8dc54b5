"""`information_schema.columns`: PostgreSQL's columns in PostgreSQL's order, and `column_comment` behind them.

Numbers have a precision in digits or bits with its radix, texts and bytes a length where one was declared, times the
digits of their seconds. `udt_name` is what PostgreSQL calls the type, as `int8` or `_text`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import pyarrow as pa
import pyarrow.types as arrow

from flight_server.parser.text.precisions import DIGITS_OF_UNITS
from flight_server.parser.text.type_names import sql_type_name
from storage.catalog.names import CATALOG, TableName
from storage.catalog.schema import Column

TYPES_OF: Final = "pg_catalog"  # the schema that types and collations are said to be of
COLLATION: Final = "C"
_UTF8_BYTES_MAX: Final = 4
_LENGTH: Final = re.compile(r"(?:VARCHAR|CHAR|VARBINARY|BINARY)\((\d+)\)")
_INTEGERS: Final = (
    "ordinal_position character_maximum_length character_octet_length numeric_precision numeric_precision_radix "
    "numeric_scale datetime_precision interval_precision maximum_cardinality"
)
_NAMES: Final = (
    "table_catalog table_schema table_name column_name ordinal_position column_default is_nullable data_type "
    "character_maximum_length character_octet_length numeric_precision numeric_precision_radix numeric_scale "
    "datetime_precision interval_type interval_precision character_set_catalog character_set_schema "
    "character_set_name collation_catalog collation_schema collation_name domain_catalog domain_schema domain_name "
    "udt_catalog udt_schema udt_name scope_catalog scope_schema scope_name maximum_cardinality dtd_identifier "
    "is_self_referencing is_identity identity_generation identity_start identity_increment identity_maximum "
    "identity_minimum identity_cycle is_generated generation_expression is_updatable column_comment"
)
COLUMNS_SCHEMA: Final = pa.schema(
    [(name, pa.int32() if name in _INTEGERS.split() else pa.string()) for name in _NAMES.split()]
)
_INTEGER_NAMES: Final = {8: "int1", 16: "int2", 32: "int4", 64: "int8"}
_UDT_NAMES: Final = {
    "BOOLEAN": "bool", "REAL": "float4", "DOUBLE": "float8", "BYTEA": "bytea", "DATE": "date", "INTERVAL": "interval",
    "UUID": "uuid", "JSON": "json", "TEXT": "text",
}  # fmt: skip


def column_row(name: TableName, position: int, column: Column, *, is_updatable: bool) -> tuple[Any, ...]:
    """A row of `COLUMNS_SCHEMA`; what does not apply to the type is NULL."""
    facts: dict[str, Any] = {
        "table_catalog": CATALOG,
        "table_schema": name.namespace,
        "table_name": name.table,
        "column_name": column.name,
        "ordinal_position": position,
        "column_default": column.default_sql if column.identity is None else None,
        "is_nullable": "YES" if column.nullable else "NO",
        "data_type": column.sql_type,
        "udt_catalog": CATALOG,
        "udt_schema": TYPES_OF,
        "udt_name": udt_name(column.type, column.sql_type),
        "dtd_identifier": str(position),
        "is_self_referencing": "NO",
        "is_identity": "NO" if column.identity is None else "YES",
        "identity_generation": None if column.identity is None else str(column.identity),
        "identity_cycle": "NO",
        "is_generated": "NEVER",
        "is_updatable": "YES" if is_updatable else "NO",
        "column_comment": column.comment,
        **_number(column.type),
        **_length(column.type, column.sql_type),
        **_time(column.type),
    }
    return tuple(facts.get(field) for field in COLUMNS_SCHEMA.names)


def _number(kind: pa.DataType) -> dict[str, Any]:
    if arrow.is_decimal(kind):
        return {"numeric_precision": kind.precision, "numeric_precision_radix": 10, "numeric_scale": kind.scale}
    if arrow.is_integer(kind):
        return {"numeric_precision": kind.bit_width, "numeric_precision_radix": 2, "numeric_scale": 0}
    if arrow.is_floating(kind):
        return {"numeric_precision": 53 if arrow.is_float64(kind) else 24, "numeric_precision_radix": 2}
    return {}


def _length(kind: pa.DataType, sql_type: str) -> dict[str, Any]:
    """The octets of a text are those that its characters may take in UTF-8."""
    found = _LENGTH.fullmatch(sql_type)
    length = int(found[1]) if found else None
    if not (arrow.is_string(kind) or arrow.is_large_string(kind)):
        return {"character_maximum_length": length, "character_octet_length": length} if length else {}
    if sql_type in _UDT_NAMES and sql_type != "TEXT":  # UUID and JSON are no texts to SQL
        return {}
    collation = {"collation_catalog": CATALOG, "collation_schema": TYPES_OF, "collation_name": COLLATION}
    if length is None:
        return collation
    octets = min(length * _UTF8_BYTES_MAX, (1 << 31) - 1)
    return {"character_maximum_length": length, "character_octet_length": octets, **collation}


def _time(kind: pa.DataType) -> dict[str, Any]:
    if arrow.is_timestamp(kind) or arrow.is_time(kind):
        return {"datetime_precision": DIGITS_OF_UNITS[kind.unit]}
    if arrow.is_date(kind):
        return {"datetime_precision": 0}
    return {"datetime_precision": 9} if arrow.is_interval(kind) else {}


def udt_name(kind: pa.DataType, sql_type: str) -> str:
    """What PostgreSQL calls the type; the Arrow name of one that it does not have."""
    if arrow.is_list(kind) or arrow.is_large_list(kind) or arrow.is_fixed_size_list(kind):
        return f"_{udt_name(kind.value_type, sql_type_name(kind.value_type))}"
    if sql_type in _UDT_NAMES:
        return _UDT_NAMES[sql_type]
    if arrow.is_integer(kind):
        return ("u" if arrow.is_unsigned_integer(kind) else "") + _INTEGER_NAMES[kind.bit_width]
    if arrow.is_decimal(kind):
        return "numeric"
    if arrow.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    if sql_type.startswith("CHAR"):
        return "bpchar"
    return _by_arrow(kind)


def _by_arrow(kind: pa.DataType) -> str:
    if arrow.is_string(kind) or arrow.is_large_string(kind):
        return "varchar"
    if arrow.is_binary(kind) or arrow.is_large_binary(kind) or arrow.is_fixed_size_binary(kind):
        return "bytea"
    if arrow.is_time(kind):
        return "time"
    return "record" if arrow.is_struct(kind) else sql_type_name(kind).split("<")[0].split("(")[0].lower()
