"""Declared types promise more than their Arrow types: lengths, UUID and JSON.

VARCHAR(n) and CHAR(n) hold at most n characters, VARBINARY(n) at most n bytes; a longer value is refused, never cut.
CHAR is not padded. A UUID is kept in lower case, so that equal ones are equal as text and as keys.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from storage.catalog.schema import Column, TableDef
from storage.errors import InvalidRequest

_LIMITED: Final = re.compile(r"(?:VARCHAR|CHAR|VARBINARY)\((\d+)\)")
_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_UUID_LENGTH: Final = 36
_SHOWN_CHARACTERS_MAX: Final = 40


def length_max(sql_type: str) -> int | None:
    """How long a value of the type may be; None when there is no limit."""
    if sql_type == "UUID":
        return _UUID_LENGTH
    found = _LIMITED.fullmatch(sql_type)
    return int(found[1]) if found else None


def has_length_inside(sql_type: str) -> bool:
    """Whether a length is declared anywhere in the type."""
    return _LIMITED.search(sql_type) is not None


def holds_all_of(new: str, old: str) -> bool:
    """Whether every value of the declared type `old` is one of `new`, given that the Arrow types agree on it."""
    if new in ("UUID", "JSON"):
        return new == old
    limit, limit_before = length_max(new), length_max(old)
    return limit is None or (limit_before is not None and limit_before <= limit)


def as_declared(table: TableDef, column: Column, values: pa.Array) -> pa.Array:
    """`values`, which have the column's Arrow type already. Raises InvalidRequest naming column and value."""
    if isinstance(column.type, pa.BaseExtensionType):  # Arrow's own UUID and JSON, as an ingest brings them
        return values
    if column.sql_type == "UUID":
        return _uuids(table, column, values)
    if column.sql_type == "JSON":
        _check_json(table, column, values)
    limit = length_max(column.sql_type)
    if limit is not None:
        _check_length(table, column, values, limit)
    return values


def _uuids(table: TableDef, column: Column, values: pa.Array) -> pa.Array:
    lowered = pc.utf8_lower(values)
    bad = pc.invert(pc.match_substring_regex(lowered, _UUID))
    if pc.any(bad).as_py():
        raise _invalid(table, column, values.filter(bad)[0].as_py())
    return lowered


def _check_json(table: TableDef, column: Column, values: pa.Array) -> None:
    for value in values:
        if value.is_valid and not _is_json(value.as_py()):
            raise _invalid(table, column, value.as_py())


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return False
    return True


def _invalid(table: TableDef, column: Column, value: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{value[:_SHOWN_CHARACTERS_MAX]}' is not valid {column.sql_type} (column '{column.name}' of table "
        f"'{table.name}')",
        sqlstate="22P02",
    )


def _check_length(table: TableDef, column: Column, values: pa.Array, limit: int) -> None:
    lengths = pc.utf8_length(values) if pa.types.is_string(values.type) else pc.binary_length(values)
    longest = pc.max(lengths).as_py()
    if longest is not None and longest > limit:
        unit = "characters" if pa.types.is_string(values.type) else "bytes"
        raise InvalidRequest(
            f"a value of {longest} {unit} is too long for column '{column.name}' ({column.sql_type}) of table "
            f"'{table.name}'",
            sqlstate="22001",
        )
