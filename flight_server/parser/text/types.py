"""SQL types: what a declared type is stored as, and what an Arrow type is called.

| declared                                   | stored as                         |
| BOOLEAN                                    | bool                              |
| TINYINT SMALLINT INTEGER BIGINT [UNSIGNED] | int8 .. int64, uint8 .. uint64    |
| REAL, DOUBLE (and FLOAT, as in JDBC)       | float32, float64                  |
| DECIMAL(p, s), p to 38                     | decimal128(p, s)                  |
| VARCHAR, CHAR, UUID, JSON                  | utf8                              |
| BYTEA, BINARY(n)                           | binary, fixed size binary         |
| DATE, TIME(p), TIMESTAMP(p) [WITH TIME ZONE] | date32, time, timestamp; p 6 = us |
| INTERVAL                                   | month_day_nano_interval           |
| t[], t[n], STRUCT<a t, ..>, MAP<k, v>      | list, fixed size list, struct, map |

The canonical text that comes with a type is read back as the same type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import pyarrow as pa

from flight_server.parser.text.cursor import Cursor, not_supported
from flight_server.parser.text.declared_types import has_length_inside
from flight_server.parser.text.precisions import DIGITS_OF_UNITS, unit_of_precision
from flight_server.parser.text.sql_text import SqlText
from flight_server.parser.text.type_names import sql_type_name
from storage.catalog.names import quoted
from storage.errors import InvalidRequest

__all__ = ["ReadType", "arrow_type", "read_type", "sql_type_name"]

NESTING_MAX: Final = 32  # levels of arrays, structs and maps in one type
DECIMAL_DIGITS_MAX: Final = 38
DECIMAL_DEFAULT: Final = (38, 10)  # what the engine makes of a bare DECIMAL


class ReadType(NamedTuple):
    type: pa.DataType
    sql: str


_PLAIN: Final[dict[str, ReadType]] = {
    name: ReadType(arrow, canonical)
    for arrow, canonical, names in (
        (pa.bool_(), "BOOLEAN", "BOOLEAN BOOL"),
        (pa.int8(), "TINYINT", "TINYINT INT1 BYTE"),
        (pa.int16(), "SMALLINT", "SMALLINT INT2"),
        (pa.int32(), "INTEGER", "INTEGER INT INT4"),
        (pa.int64(), "BIGINT", "BIGINT INT8"),
        (pa.uint8(), "TINYINT UNSIGNED", "UTINYINT UINT1"),
        (pa.uint16(), "SMALLINT UNSIGNED", "USMALLINT UINT2"),
        (pa.uint32(), "INTEGER UNSIGNED", "UINTEGER UINT UINT4"),
        (pa.uint64(), "BIGINT UNSIGNED", "UBIGINT UINT8"),
        (pa.float32(), "REAL", "REAL FLOAT4"),
        (pa.float64(), "DOUBLE", "DOUBLE FLOAT8"),
        (pa.string(), "VARCHAR", "TEXT STRING CLOB"),
        (pa.binary(), "BYTEA", "BYTEA BLOB BYTES"),
        (pa.date32(), "DATE", "DATE"),
        (pa.month_day_nano_interval(), "INTERVAL", "INTERVAL"),
        (pa.string(), "UUID", "UUID"),
        (pa.string(), "JSON", "JSON JSONB"),
    )
    for name in names.split()
}
_UNSIGNED: Final = {pa.int8(): pa.uint8(), pa.int16(): pa.uint16(), pa.int32(): pa.uint32(), pa.int64(): pa.uint64()}


def arrow_type(text: str) -> ReadType:
    """The Arrow type of a declared one and its canonical text. Raises InvalidRequest, NotSupported."""
    cursor = Cursor(SqlText(text))
    found = read_type(cursor)
    cursor.expect_end()
    return found


def read_type(cursor: Cursor, depth: int = 0) -> ReadType:
    """One type from where the cursor stands. Raises InvalidRequest, NotSupported."""
    if depth > NESTING_MAX:
        raise cursor.error(f"a type may nest {NESTING_MAX} levels deep")
    found = _base_type(cursor, depth)
    dimensions = 0
    while cursor.sees("[") or cursor.accept("ARRAY"):
        found = _array_of(cursor, found)
        dimensions += 1
        if depth + dimensions > NESTING_MAX:
            raise cursor.error(f"a type may nest {NESTING_MAX} levels deep")
    return found


def _base_type(cursor: Cursor, depth: int) -> ReadType:
    name = cursor.token.key
    nested = _NESTED.get(name)
    if nested is not None:
        cursor.expect(name)
        return nested(cursor, depth + 1)
    if name in _PARAMETRIC:
        cursor.expect(name)
        return _PARAMETRIC[name](cursor)
    plain = _PLAIN.get(name)
    if plain is None:
        raise _unknown_type(cursor)
    cursor.expect(name)
    if name == "DOUBLE":
        cursor.accept("PRECISION")
    return _maybe_unsigned(cursor, plain)


def _unknown_type(cursor: Cursor) -> InvalidRequest:
    unknown = cursor.error("expected a column type")
    known = sorted({*_PLAIN, *_PARAMETRIC, *_NESTED} - {"INT1", "UINT1", "UINT2", "UINT4", "UINT8", "UINT"})
    return InvalidRequest(f"{unknown.message}; types are {', '.join(known)} and t[]", sqlstate="42704")


def _maybe_unsigned(cursor: Cursor, signed: ReadType) -> ReadType:
    if signed.type not in _UNSIGNED or not cursor.accept("UNSIGNED"):
        return signed
    return ReadType(_UNSIGNED[signed.type], f"{signed.sql} UNSIGNED")


# --- types with a number ---------------------------------------------------------------------------------------


def _length(cursor: Cursor) -> int | None:
    """`(n)`, at least 1; None when there is none."""
    if not cursor.sees("("):
        return None
    (length,) = _numbers(cursor, count_max=1)
    if not 1 <= length < 1 << 31:
        raise InvalidRequest(f"a length of {length} is not allowed: it must be 1 or more", sqlstate="22023")
    return length


def _numbers(cursor: Cursor, count_max: int) -> tuple[int, ...]:
    numbers = cursor.bracketed(lambda: cursor.whole_number("a number"))
    if len(numbers) > count_max:
        raise cursor.error(f"expected at most {count_max} number{'s' if count_max > 1 else ''} in the type")
    return numbers


def _bit(cursor: Cursor) -> ReadType:
    """BIT is a truth value, as in JDBC; Spark declares its booleans BIT(1). Strings of bits are another type."""
    length = None if cursor.sees("VARYING") else _length(cursor)
    if length not in (None, 1) or cursor.sees("VARYING"):
        raise not_supported("a string of bits", "use BOOLEAN for one bit, or BYTEA")
    return _PLAIN["BOOLEAN"]


def _text_type(name: str) -> Callable[[Cursor], ReadType]:
    def read(cursor: Cursor) -> ReadType:
        is_varying = cursor.accept("VARYING")
        length = _length(cursor)
        canonical = "VARCHAR" if is_varying or name == "VARCHAR" or length is None else name
        return ReadType(pa.string(), canonical if length is None else f"{canonical}({length})")

    return read


def _binary(cursor: Cursor) -> ReadType:
    if cursor.accept("VARYING"):
        return _varbinary(cursor)
    length = _length(cursor)
    return _PLAIN["BYTEA"] if length is None else ReadType(pa.binary(length), f"BINARY({length})")


def _varbinary(cursor: Cursor) -> ReadType:
    length = _length(cursor)
    return _PLAIN["BYTEA"] if length is None else ReadType(pa.binary(), f"VARBINARY({length})")


def _decimal(cursor: Cursor) -> ReadType:
    given = _numbers(cursor, count_max=2) if cursor.sees("(") else DECIMAL_DEFAULT
    precision, scale = given if len(given) == 2 else (given[0], 0)
    if not (1 <= precision <= DECIMAL_DIGITS_MAX and scale <= precision):
        raise InvalidRequest(
            f"DECIMAL({precision}, {scale}) is not allowed: use 1 to {DECIMAL_DIGITS_MAX} digits, "
            "and no more of them after the point than in all"
        )
    return ReadType(pa.decimal128(precision, scale), f"DECIMAL({precision}, {scale})")


def _float(cursor: Cursor) -> ReadType:
    """FLOAT is DOUBLE: losing digits in silence would be worse than four bytes more."""
    if not cursor.sees("("):
        return _PLAIN["DOUBLE"]
    (bits,) = _numbers(cursor, count_max=1)
    if not 1 <= bits <= 53:
        raise InvalidRequest(f"FLOAT({bits}) is not allowed: use 1 to 53 bits")
    return _PLAIN["REAL" if bits <= 24 else "DOUBLE"]


def _time(cursor: Cursor) -> ReadType:
    unit, suffix = _precision(cursor)
    if _with_time_zone(cursor):
        raise not_supported("TIME WITH TIME ZONE", "use TIME or TIMESTAMP WITH TIME ZONE")
    stored = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    return ReadType(stored, f"TIME{suffix}")


def _timestamp(cursor: Cursor) -> ReadType:
    unit, suffix = _precision(cursor)
    if _with_time_zone(cursor):
        return ReadType(pa.timestamp(unit, tz="UTC"), f"TIMESTAMP{suffix} WITH TIME ZONE")
    return ReadType(pa.timestamp(unit), f"TIMESTAMP{suffix}")


def _timestamptz(cursor: Cursor) -> ReadType:
    unit, suffix = _precision(cursor)
    return ReadType(pa.timestamp(unit, tz="UTC"), f"TIMESTAMP{suffix} WITH TIME ZONE")


def _precision(cursor: Cursor) -> tuple[str, str]:
    """`(p)` -> the Arrow unit that holds p digits, and its canonical suffix; none is microseconds."""
    if not cursor.sees("("):
        return "us", ""
    (digits,) = _numbers(cursor, count_max=1)
    unit = unit_of_precision(digits)
    return unit, "" if unit == "us" else f"({DIGITS_OF_UNITS[unit]})"


def _with_time_zone(cursor: Cursor) -> bool:
    if cursor.accept("WITHOUT"):
        cursor.expect("TIME", "ZONE")
        return False
    if not cursor.sees("WITH", "TIME"):  # WITH alone begins the table's options
        return False
    cursor.expect("WITH", "TIME", "ZONE")
    return True


# --- nested types ----------------------------------------------------------------------------------------------


def _array_of(cursor: Cursor, item: ReadType) -> ReadType:
    """`[]` or `[n]` behind a type; the word ARRAY is read already."""
    _refuse_length(item)
    if not cursor.accept("["):
        return ReadType(pa.list_(item.type), f"{item.sql}[]")
    if cursor.accept("]"):
        return ReadType(pa.list_(item.type), f"{item.sql}[]")
    size = cursor.whole_number("the size of the array")
    cursor.expect("]")
    if not 1 <= size <= 1 << 20:
        raise InvalidRequest(f"an array of size {size} is not allowed: use 1 to {1 << 20}, or [] for any size")
    return ReadType(pa.list_(item.type, size), f"{item.sql}[{size}]")


def _item(cursor: Cursor, depth: int) -> ReadType:
    """The type of what is in an array, a struct or a map."""
    item = read_type(cursor, depth)
    _refuse_length(item)
    return item


def _refuse_length(item: ReadType) -> None:
    """Lengths are only checked of columns themselves, and what is not checked must not be promised."""
    if has_length_inside(item.sql):
        raise not_supported(f"{item.sql} inside an array, struct or map", "leave out the length")


def _opening(cursor: Cursor) -> str:
    """Step over `<` or `(`; returns what closes it."""
    return ">" if cursor.expect_any("<", "(") == "<" else ")"


def _array(cursor: Cursor, depth: int) -> ReadType:
    closing = _opening(cursor)
    item = _item(cursor, depth)
    cursor.expect(closing)
    return ReadType(pa.list_(item.type), f"{item.sql}[]")


def _struct(cursor: Cursor, depth: int) -> ReadType:
    closing = _opening(cursor)

    def member() -> tuple[str, ReadType]:
        name = cursor.name("struct member")
        cursor.accept(":")
        return name, _item(cursor, depth)

    members = cursor.listed(member)
    cursor.expect(closing)
    names = [name for name, _ in members]
    if len(set(names)) < len(names):
        raise InvalidRequest(f"a STRUCT names a member twice: {', '.join(names)}", sqlstate="42701")
    shown = ", ".join(f"{quoted(name)} {member_type.sql}" for name, member_type in members)
    return ReadType(pa.struct([(name, member_type.type) for name, member_type in members]), f"STRUCT<{shown}>")


def _map(cursor: Cursor, depth: int) -> ReadType:
    closing = _opening(cursor)
    key = _item(cursor, depth)
    cursor.expect(",")
    value = _item(cursor, depth)
    cursor.expect(closing)
    return ReadType(pa.map_(key.type, value.type), f"MAP<{key.sql}, {value.sql}>")


_NESTED: Final[dict[str, Callable[[Cursor, int], ReadType]]] = {
    "ARRAY": _array,
    "STRUCT": _struct,
    "ROW": _struct,
    "MAP": _map,
}
_PARAMETRIC: Final[dict[str, Callable[[Cursor], ReadType]]] = {
    "VARCHAR": _text_type("VARCHAR"),
    "NVARCHAR": _text_type("VARCHAR"),
    "CHAR": _text_type("CHAR"),
    "CHARACTER": _text_type("CHAR"),
    "NCHAR": _text_type("CHAR"),
    "BIT": _bit,
    "BINARY": _binary,
    "VARBINARY": _varbinary,
    "DECIMAL": _decimal,
    "NUMERIC": _decimal,
    "DEC": _decimal,
    "FLOAT": _float,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
    "DATETIME": _timestamp,
    "TIMESTAMPTZ": _timestamptz,
}
