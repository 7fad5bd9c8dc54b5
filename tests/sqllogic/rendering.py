"""Results as lines of text: one row a line, values between ` | `.

| letter | Arrow type | shown |
| --- | --- | --- |
| I | integers | 42 |
| N | decimals | 1.50, with all digits of the scale |
| R | floats | 12 significant digits, never without a point: 0.3, 2.0, 1e+20 |
| B | boolean | true, false |
| T | text | as it is; in quotes when it is empty, has blanks at its ends, or could be read as something else |
| X | binary | hexadecimal digits behind a 0x |
| D H S Z | date, time, timestamp, timestamp with time zone (shown in UTC) | 2026-01-31 12:00:00.5, with +00:00 for Z |
| V | interval | 1 mons 2 days 3.5 secs, parts of 0 left out |
| A | lists, structs, maps | [1, NULL], {x: 1}, {k => 1} |
| U | null type | NULL |
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import types as arrow

_AMBIGUOUS = re.compile(r'^$|^\s|\s$|[\n\r\t]| \| |^"|^NULL$')
_FRACTION_END = re.compile(r"(\.\d*?)0+(?=$|[Z+-])")


def lines_of(table: pa.Table, sort: str) -> list[str]:
    """The lines of a result; valuesort gives each value a line of its own."""
    columns = [[shown(value) for value in column] for column in table.columns]
    rows = [" | ".join(row) for row in zip(*columns, strict=True)]
    return arranged(rows, sort)


def arranged(rows: list[str], sort: str) -> list[str]:
    if sort == "valuesort":
        return sorted(value for row in rows for value in row.split(" | "))
    return sorted(rows) if sort == "rowsort" else rows


def letters_of(schema: pa.Schema) -> str:
    return "".join(_letter(field.type) for field in schema)


def _letter(type_: pa.DataType) -> str:
    checks = {
        "I": arrow.is_integer,
        "N": arrow.is_decimal,
        "R": arrow.is_floating,
        "B": arrow.is_boolean,
        "T": lambda t: arrow.is_string(t) or arrow.is_large_string(t) or arrow.is_string_view(t),
        "X": lambda t: arrow.is_binary(t) or arrow.is_large_binary(t) or arrow.is_fixed_size_binary(t),
        "D": arrow.is_date,
        "H": arrow.is_time,
        "S": lambda t: arrow.is_timestamp(t) and t.tz is None,
        "Z": lambda t: arrow.is_timestamp(t) and t.tz is not None,
        "V": lambda t: arrow.is_interval(t) or arrow.is_duration(t),
        "A": arrow.is_nested,
        "U": arrow.is_null,
    }
    return next((letter for letter, check in checks.items() if check(type_)), "?")


def shown(scalar: pa.Scalar) -> str:
    """One value; those inside of lists and structs likewise."""
    if not scalar.is_valid:
        return "NULL"
    letter = _letter(scalar.type)
    if letter == "A":
        return _nested(scalar)
    if letter in "DHSZ":
        return _moment(scalar, letter)
    if letter == "V":
        return _interval(scalar.as_py()) if arrow.is_interval(scalar.type) else str(scalar.as_py())
    return _plain(scalar.as_py(), letter)


def _plain(value: Any, letter: str) -> str:
    if letter == "B":
        return "true" if value else "false"
    if letter == "R":
        text = f"{value:.12g}"
        return text if re.search(r"[.en]", text) else f"{text}.0"
    if letter == "N":
        return f"{Decimal(value):f}"
    if letter == "X":
        return f"0x{value.hex()}"
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if letter == "T" and _AMBIGUOUS.search(text) else text


def _moment(scalar: pa.Scalar, letter: str) -> str:
    text = scalar.cast(pa.string()).as_py()
    if letter == "Z":  # stored as UTC, whatever the zone it is shown in
        text = scalar.cast(pa.timestamp(scalar.type.unit, "UTC")).cast(pa.string()).as_py().removesuffix("Z")
    text = _FRACTION_END.sub(lambda found: found[1].rstrip("."), text)
    return f"{text}+00:00" if letter == "Z" else text


def _interval(value: Any) -> str:
    months, days, nanos = value
    seconds = Decimal(nanos).scaleb(-9).normalize()
    parts = [(str(months), "mons"), (str(days), "days"), (f"{seconds:f}", "secs")]
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount != "0") or "0 secs"


def _nested(scalar: pa.Scalar) -> str:
    if arrow.is_struct(scalar.type):
        names = [scalar.type.field(i).name for i in range(scalar.type.num_fields)]
        return "{" + ", ".join(f"{name}: {shown(scalar[i])}" for i, name in enumerate(names)) + "}"
    if arrow.is_map(scalar.type):
        entries = scalar.values
        return "{" + ", ".join(f"{shown(e[0])} => {shown(e[1])}" for e in entries) + "}"
    return "[" + ", ".join(shown(value) for value in scalar.values) + "]"
