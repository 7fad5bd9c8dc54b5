"""Literal values are read without the engine, where their text can mean only one value of a column's type.

    1, -1                whole numbers in integers and decimals that hold them, and in doubles up to 15 digits
    1.5, .5              in decimals that hold all of their digits, and in doubles up to 15 digits
    'a', 'it''s'         in texts; with a backslash they are the engine's
    TRUE, FALSE, NULL

Everything else is the engine's to read or to refuse, so that there is one place that says what is wrong with a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import pyarrow as pa

_Reader = Callable[[str], object]
_UNREADABLE: Final = object()

_WHOLE: Final = re.compile(r"[-+]?[0-9]{1,20}")
_POINT: Final = re.compile(r"[-+]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)")
_TEXT: Final = re.compile(r"'(?:[^'\\]|'')*'")
_DOUBLE_DIGITS_MAX: Final = 15  # of a number that a double holds as it is written
_TRUTH: Final = {"TRUE": True, "FALSE": False}


def literal_array(items: Sequence[str | None], column_type: pa.DataType) -> pa.Array | None:
    """The values of a column, one for each item; None when the engine has to read one of them."""
    read = _reader_of(column_type)
    if read is None:
        return None
    values: list[object] = []
    for item in items:
        text = "" if item is None else item.strip()
        value = None if text.upper() == "NULL" else read(text)
        if value is _UNREADABLE:
            return None
        values.append(value)
    try:
        return pa.array(values, column_type)
    except (pa.ArrowInvalid, OverflowError):  # out of range
        return None


def _reader_of(column_type: pa.DataType) -> _Reader | None:
    types = pa.types
    if types.is_integer(column_type):
        return _whole
    if types.is_string(column_type) or types.is_large_string(column_type):
        return _text
    if types.is_boolean(column_type):
        return lambda item: _TRUTH.get(item.upper(), _UNREADABLE)
    if types.is_float64(column_type):
        return _double
    if types.is_decimal(column_type):
        return lambda item: _decimal(item, column_type.precision - column_type.scale, column_type.scale)
    return None


def _whole(item: str) -> object:
    return int(item) if _WHOLE.fullmatch(item) else _UNREADABLE


def _text(item: str) -> object:
    return item[1:-1].replace("''", "'") if _TEXT.fullmatch(item) else _UNREADABLE


def _double(item: str) -> object:
    is_exact = _POINT.fullmatch(item) is not None and sum(map(str.isdigit, item)) <= _DOUBLE_DIGITS_MAX
    if not is_exact:
        return _UNREADABLE
    return float(item) if "." in item else float(int(item))  # a whole number has no -0


def _decimal(item: str, whole_max: int, fraction_max: int) -> object:
    """All of its digits fit: nothing is rounded."""
    if _POINT.fullmatch(item) is None:
        return _UNREADABLE
    whole, _, fraction = item.lstrip("+-").partition(".")
    fits = len(whole.lstrip("0")) <= whole_max and len(fraction) <= fraction_max
    return Decimal(item) if fits else _UNREADABLE
