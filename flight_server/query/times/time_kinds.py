"""Time kinds say which times an operand may hold: by its words before its type is known, by its Arrow type then."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import pyarrow as pa

from flight_server.parser.text.lexer import TokenKind
from flight_server.query.scan.dependencies import Dependencies
from flight_server.query.times.operands import Span, Text
from storage.catalog.schema import Column


class Times:
    """Kinds of times, to be added up; the engine brings all but a TEXT to nanoseconds where two of them meet."""

    NONE: Final = 0
    DAY: Final = 1  # DATE
    COARSE: Final = 2  # timestamps in seconds, milliseconds, microseconds
    FINE: Final = 4  # timestamps in nanoseconds
    TEXT: Final = 8  # a string that reads as a time


STAMPS: Final = Times.COARSE | Times.FINE
ANY: Final = Times.DAY | STAMPS
_FAR_TEXT: Final = r"\s*(?:0\d|1[0-5]|16[0-7]|226[2-9]|22[7-9]|2[3-9]|[3-9]\d)\d*-\d"
FAR: Final = re.compile(_FAR_TEXT)
FAR_WITHIN: Final = re.compile(rf"'{_FAR_TEXT}")
_TIME_TEXT: Final = re.compile(r"\s*\d{4}-\d\d?-\d\d?(?:\Z|[\sT])")
_CALLS: Final = {
    **dict.fromkeys(("CURRENT_DATE", "TODAY", "MAKE_DATE", "TO_DATE", "DATE"), Times.DAY),
    **dict.fromkeys(("NOW", "CURRENT_TIMESTAMP"), Times.COARSE),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMPTZ", "DATE_TRUNC", "DATE_BIN", "DATETRUNC"), STAMPS),
    **dict.fromkeys(("TO_TIMESTAMP", "TO_TIMESTAMP_NANOS"), Times.FINE),
    **dict.fromkeys(("TO_TIMESTAMP_MICROS", "TO_TIMESTAMP_MILLIS", "TO_TIMESTAMP_SECONDS"), Times.COARSE),
    "FROM_UNIXTIME": Times.COARSE,
}
_NO_NAMES: Final = frozenset((
    "AND", "OR", "NOT", "NULL", "TRUE", "FALSE", "CAST", "TRY_CAST", "AS", "CASE", "WHEN", "THEN", "ELSE", "END",
    "INTERVAL", "WITH", "WITHOUT", "TIME", "ZONE", "AT", "OVER", "FILTER", "WHERE", "FROM", "SELECT", "BY", "ORDER",
    "PARTITION", "ROWS", "RANGE", "IS", "IN", "INT", "INTEGER", "BIGINT", "DOUBLE", "VARCHAR", "TEXT", "DECIMAL",
))  # fmt: skip
_KNOWN_MAX: Final = 1024

Known = Mapping[str, int]


class _Columns(NamedTuple):
    """columns: kept, since what is known of them is found by their identity; times: name -> kind, of times only."""

    columns: tuple[Column, ...]
    names: Known
    times: Known
    all_times: int


_known: dict[int, _Columns] = {}


def of_type(data_type: pa.DataType) -> int:
    if pa.types.is_timestamp(data_type):
        return Times.FINE if data_type.unit == "ns" else Times.COARSE
    return Times.DAY if pa.types.is_date(data_type) else Times.NONE


def is_text(data_type: pa.DataType) -> bool:
    return pa.types.is_string(data_type) or pa.types.is_large_string(data_type)


def of_value(value: pa.Scalar) -> int:
    """Of a value that is bound."""
    if is_text(value.type):
        return Times.TEXT if value.is_valid and _TIME_TEXT.match(value.as_py()) else Times.NONE
    return of_type(value.type)


def known_names(touched: Dependencies) -> dict[str, int]:
    """Lower-case name -> all that columns of this name hold, in the tables that were touched."""
    found: dict[str, int] = {}
    for table, _ in touched.stored:
        for name, times in _of_columns(table.columns).names.items():
            found[name] = found.get(name, Times.NONE) | times
    return found


def mentioned(lowered: str, touched: Dependencies) -> int:
    """The kinds of columns that the text names; of all columns when it comes to a table by way of a view."""
    found = Times.NONE
    for table, _ in touched.stored:
        known = _of_columns(table.columns)
        if known.all_times and table.name.table.lower() not in lowered:
            found |= known.all_times
        elif known.all_times & ~found:
            found |= together(times for name, times in known.times.items() if name in lowered)
    return found


def _of_columns(columns: tuple[Column, ...]) -> _Columns:
    kept = _known.get(id(columns))
    if kept is not None:
        return kept
    names = {column.name.lower(): of_type(column.type) for column in columns}
    times = {name: kind for name, kind in names.items() if kind}
    if len(_known) >= _KNOWN_MAX:
        _known.clear()
    kept = _known[id(columns)] = _Columns(columns, names, times, together(times.values()))
    return kept


def together(times: Iterable[int]) -> int:
    found = Times.NONE
    for each in times:
        found |= each
    return found


def maybe(text: Text, span: Span, known: Known) -> int:
    """What an operand can hold, by its words; a name that no table has may hold anything."""
    found = Times.NONE
    for at in range(span.first, span.last + 1):
        token = text.tokens[at]
        if token.kind is TokenKind.STRING:
            found |= Times.TEXT if is_time_text(text, span) else Times.NONE
        elif token.kind is TokenKind.PARAMETER:
            found |= ANY | Times.TEXT
        elif token.kind in (TokenKind.WORD, TokenKind.QUOTED) and text.key(at + 1) != ".":
            found |= _of_name(token.value.lower(), token.key, text.key(at + 1) == "(", known)
    return found


def _of_name(name: str, key: str, is_called: bool, known: Known) -> int:
    if key in _CALLS and (is_called or name not in known):
        return _CALLS[key]
    if is_called or key in _NO_NAMES:
        return Times.NONE
    return known.get(name, ANY)


def is_time_text(text: Text, span: Span) -> bool:
    """Whether it is a string by itself that reads as a time."""
    token = text.tokens[span.first]
    return span.first == span.last and token.kind is TokenKind.STRING and bool(_TIME_TEXT.match(token.value))


def is_far(text: Text, span: Span) -> bool:
    """Whether a string in it is beyond what nanoseconds can hold."""
    tokens = text.tokens[span.first : span.last + 1]
    return any(token.kind is TokenKind.STRING and FAR.match(token.value) for token in tokens)


def is_constant(text: Text, span: Span) -> bool:
    """Whether it names no column and holds no placeholder."""
    tokens = text.tokens[span.first : span.last + 1]
    if any(token.kind is TokenKind.PARAMETER for token in tokens):
        return False
    words = [token for token in tokens if token.kind in (TokenKind.WORD, TokenKind.QUOTED)]
    return all(token.key in _CALLS or token.key in _NO_NAMES for token in words)
