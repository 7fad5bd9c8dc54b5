"""Cast errors of the engine are given the names of the columns that they can mean: the engine names types only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

from flight_server.query.errors.messages import unquoted
from storage.catalog.schema import Column, TableDef
from storage.errors import InvalidRequest

_OF_CASTS: Final = ("22000", "22003", "22007", "22008", "22P02")
_ENGINE_NAMES: Final = {
    pa.bool_(): "Boolean",
    pa.int8(): "Int8",
    pa.int16(): "Int16",
    pa.int32(): "Int32",
    pa.int64(): "Int64",
    pa.uint8(): "UInt8",
    pa.uint16(): "UInt16",
    pa.uint32(): "UInt32",
    pa.uint64(): "UInt64",
    pa.float64(): "Float64",
    pa.date32(): "Date32",
    pa.month_day_nano_interval(): "interval",
}


@contextmanager
def naming_columns(table: TableDef, columns: Sequence[Column]) -> Iterator[None]:
    """Within, an error of a cast gets the names of those `columns` that have the type it is about."""
    try:
        yield
    except InvalidRequest as error:
        if error.sqlstate not in _OF_CASTS or "column '" in error.message:
            raise
        meant = [column for column in columns if _is_about(unquoted(error.message), column.type)]
        if not meant:
            raise
        listed = " or ".join(f"'{column.name}' ({column.sql_type})" for column in meant[:5])
        raise InvalidRequest(
            f"a value for column {listed} of table '{table.name}' does not fit: {error.message}",
            sqlstate=error.sqlstate,
        ) from None


def unusable(table: TableDef, column: Column, error: InvalidRequest) -> InvalidRequest:
    """The engine's `error` about a value that is known to be for `column`."""
    return InvalidRequest(
        f"a value for column '{column.name}' ({column.sql_type}) of table '{table.name}' can't be used: "
        f"{error.message}",
        sqlstate=error.sqlstate,
    )


def _is_about(message: str, data_type: pa.DataType) -> bool:
    named = any(re.search(rf"\b{re.escape(name)}(?!\w)", message, re.IGNORECASE) for name in _engine_names(data_type))
    return named or any(_is_about(message, data_type.field(i).type) for i in range(data_type.num_fields))


def _engine_names(data_type: pa.DataType) -> tuple[str, ...]:
    if pa.types.is_decimal128(data_type):
        precision, scale = data_type.precision, data_type.scale
        return f"Decimal128({precision}, {scale})", f"Decimal128 of precision {precision}"
    return (_engine_name(data_type),)


def _engine_name(data_type: pa.DataType) -> str:
    if pa.types.is_timestamp(data_type):
        return "timestamp"
    if pa.types.is_time(data_type):
        return f"Time{data_type.bit_width}"
    if pa.types.is_fixed_size_list(data_type):
        return f"FixedSizeList({data_type.list_size})"
    if pa.types.is_fixed_size_binary(data_type):
        return "FixedSizeBinaryBuilder"
    if pa.types.is_struct(data_type):
        return "Struct"
    return _ENGINE_NAMES.get(data_type, str(data_type))
