"""Answers are compared by value: as multisets, or row by row where the question orders all of them.

A number is a number whatever type holds it, NaN equals NaN, -0.0 equals 0.0, a date is its midnight, and floats may
differ by what the order of a sum makes.
"""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import types as arrow

TOLERANCE: Final = 1e-9
SHOWN_MAX: Final = 4
_EPOCH: Final = dt.date(1970, 1, 1)
_DAY_MICROSECONDS: Final = 86_400_000_000

Value = tuple[str, object]
Line = tuple[Value, ...]


def lines_of(table: pa.Table) -> list[Line]:
    columns = [_values(column) for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * table.num_rows


def difference(found: pa.Table, expected: pa.Table, is_ordered: bool) -> str | None:
    """What is different, in words; None if nothing is."""
    if found.num_columns != expected.num_columns:
        return f"{found.num_columns} columns instead of {expected.num_columns}"
    ours, theirs = lines_of(found), lines_of(expected)
    if not is_ordered:
        ours, theirs = sorted(ours, key=_order), sorted(theirs, key=_order)
    if len(ours) == len(theirs) and all(_same_line(a, b) for a, b in zip(ours, theirs, strict=True)):
        return None
    return f"came: {_shown(ours, theirs)}; right: {_shown(theirs, ours)}"


def plain(value: object) -> Value:
    """Tagged, so that values of different sorts can be ordered and are never equal."""
    if value is None:
        return ("null", 0)
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, dt.datetime):
        seconds = value.replace(tzinfo=None) - dt.datetime(1970, 1, 1)  # noqa: DTZ001
        return ("time", seconds // dt.timedelta(microseconds=1))
    if isinstance(value, dt.date):
        return ("time", (value - _EPOCH).days * _DAY_MICROSECONDS)
    if isinstance(value, dict):
        return ("struct", tuple((name, plain(each)) for name, each in value.items()))
    if isinstance(value, pa.MonthDayNano):
        return ("interval", tuple(value))
    if isinstance(value, list | tuple):
        return ("list", tuple(plain(each) for each in value))
    return ("text", str(value))


def _number(value: Any) -> Value:
    if isinstance(value, float) and not math.isfinite(value):
        return ("not finite", str(value))
    is_large = not isinstance(value, float) and value == int(value) and abs(value) >= 2**53
    return ("number", int(value) if is_large else float(value) + 0.0)  # never -0.0


def _values(column: pa.ChunkedArray) -> list[Value]:
    """Times as microseconds at once: Python's end with the year 9999."""
    if not arrow.is_timestamp(column.type):
        return [plain(value) for value in column.to_pylist()]
    numbers = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
    return [("null", 0) if number is None else ("time", number) for number in numbers]


def _order(line: Line) -> str:
    """Of floats that differ by a hair, the same."""
    return repr([_rounded(value) for value in line])


def _rounded(value: Value) -> object:
    tag, inner = value
    return (tag, f"{inner:.7e}") if tag == "number" and isinstance(inner, int | float) else value


def _same_line(a: Line, b: Line) -> bool:
    return a == b or all(_same(x, y) for x, y in zip(a, b, strict=True))


def _same(a: Value, b: Value) -> bool:
    if a == b:
        return True
    if a[0] != b[0]:
        return False
    x, y = a[1], b[1]
    if a[0] == "number":
        return isinstance(x, int | float) and isinstance(y, int | float) and _close(x, y)
    if isinstance(x, tuple) and isinstance(y, tuple) and a[0] == "list" and len(x) == len(y):
        return all(_same(m, n) for m, n in zip(x, y, strict=True))
    return False


def _close(x: float, y: float) -> bool:
    """Whole numbers beyond a float's digits are integers here, and have to be the same."""
    if isinstance(x, int) and isinstance(y, int):
        return x == y
    return math.isclose(x, y, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _shown(lines: list[Line], others: list[Line]) -> str:
    """The first rows of one side that the other has not."""
    left = list(others)
    alone = []
    for line in lines:
        if line in left:
            left.remove(line)
        else:
            alone.append(f"({', '.join(_told(value) for value in line)})")
    more = f" and {len(alone) - SHOWN_MAX} more" if len(alone) > SHOWN_MAX else ""
    return f"{len(lines)} rows, alone here {', '.join(alone[:SHOWN_MAX]) or 'none'}{more}"


def _told(value: Value) -> str:
    tag, inner = value
    if tag == "time" and isinstance(inner, int):
        seconds, micros = divmod(inner, 10**6)
        return str(np.datetime64(seconds, "s")) + (f".{micros:06}" if micros else "")
    if isinstance(inner, float) and inner.is_integer() and abs(inner) < 2**53:
        return str(int(inner))
    return "NULL" if tag == "null" else repr(inner) if tag == "text" else str(inner)
