"""Time calls that compute in nanoseconds, and so end in 1677 and 2262, are replaced by others.

date_trunc(unit, x)      of a DATE that of its timestamp; of far x, for week and longer, by way of make_date
date_bin(stride, x ..)   of far x, for strides of a fixed length, by whole numbers of microseconds
x AT TIME ZONE 'z'       a cast to microseconds in that zone
CAST(i AS TIMESTAMP)     an integer is seconds
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa

from flight_server.parser.dialect.microseconds import is_fine
from flight_server.parser.text.lexer import TokenKind
from flight_server.parser.text.sql_text import Edit
from flight_server.query.times.operands import Span, Text
from flight_server.query.times.time_kinds import (
    ANY,
    STAMPS,
    Known,
    Times,
    is_constant,
    is_far,
    is_time_text,
    maybe,
    of_type,
)
from storage.whole_numbers import whole_number

Typed = Callable[[Text, Span], pa.DataType]

_LENGTH_MAX: Final = 300  # of an operand that is written several times
_YEAR: Final = "CAST(date_part('year', {x}) AS BIGINT)"
_MONTH: Final = "CAST(date_part('month', {x}) AS BIGINT)"
_FORMS: Final = {
    "year": f"make_date({_YEAR}, 1, 1)",
    "quarter": f"make_date({_YEAR}, ({_MONTH} - 1) / 3 * 3 + 1, 1)",
    "month": f"make_date({_YEAR}, {_MONTH}, 1)",
    "week": "CAST(CAST(CAST({x} AS DATE) AS INTEGER) - CAST(date_part('isodow', {x}) AS INTEGER) + 1 AS DATE)",
}
_UNITS: Final = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
_FINE_UNITS: Final = {"microsecond": 1, "millisecond": 1000}
_STRIDE: Final = re.compile(r"INTERVAL\s*'\s*([0-9]{1,9})\s*(second|minute|hour|day|week)s?\s*'", re.IGNORECASE)
_SHOWS_ZONE: Final = re.compile(r"%[:#]*[zZ+cs]")
_SECONDS_MAX: Final = 2**63 // 10**9  # that nanoseconds can hold
_LOW, _HIGH = "TIMESTAMP(6) '1678-01-01'", "TIMESTAMP(6) '2262-01-01'"


def call_edits(text: Text, known: Known, typed: Typed) -> Iterator[list[Edit]]:
    for at, token in enumerate(text.tokens):
        called = text.key(at + 1) == "("
        if token.key in ("DATE_TRUNC", "DATETRUNC", "DATE_BIN") and called and not _is_done(text, at):
            yield _cut(text, at, known, typed)
        elif token.key in ("GENERATE_SERIES", "RANGE") and called:
            yield _series(text, at, known, typed)
        elif token.key == "AT" and text.key(at + 1) == "TIME" and text.key(at + 2) == "ZONE":
            yield _in_zone(text, at, typed)
        elif token.key in ("TIMESTAMP", "TIMESTAMPTZ") and text.sql.startswith("( 6)", token.end):
            yield _of_seconds(text, at, known, typed)
        elif token.key in ("TO_CHAR", "DATE_FORMAT") and called:
            yield _to_char(text, at, known, typed)
        elif token.key == "TO_TIMESTAMP" and called:
            yield _to_timestamp(text, at)


def _is_done(text: Text, at: int) -> bool:
    first, behind = at, text.closing(at + 1) + 1
    if (text.key(at - 1), text.key(at - 2)) == ("(", "ARROW_CAST"):
        first, behind = at - 2, text.closing(at - 1) + 1
    return (text.key(first - 1), text.key(behind), text.key(behind + 1)) == ("THEN", "ELSE", "ARROW_CAST")


def _cut(text: Text, at: int, known: Known, typed: Typed) -> list[Edit]:
    arguments = list(text.arguments(at + 1))
    if len(arguments) < 2 or not maybe(text, arguments[1], known) & ANY:
        return []
    days = [span for span in arguments[1:] if of_type(typed(text, span)) == Times.DAY]
    if days:
        return [edit for span in days for edit in _as_stamp(text, span)]
    found, x = typed(text, arguments[1]), text.of(arguments[1])
    kind = of_type(found)
    start, end = text.tokens[at].start, text.tokens[text.closing(at + 1)].end
    unit = _unit(text, at, arguments)
    if unit in _FINE_UNITS and kind & STAMPS:
        return [(start, end, _finely(x, unit, found))]
    if (
        kind != Times.COARSE
        or len(x) > _LENGTH_MAX
        or (is_constant(text, arguments[1]) and not is_far(text, arguments[1]))
    ):
        return []
    if len(arguments) > 2 and (stride := _stride(text, arguments)) is not None:  # its own is NULL 292 years from there
        return [(start, end, _arrow_cast(_stepped(_whole(x), stride, _whole(text.of(arguments[2]))), found))]
    if len(arguments) > 2 and of_type(typed(text, arguments[2])) == Times.COARSE:
        return _as_stamp(text, arguments[2], 9)
    far = _far_bin(text, arguments, x) if text.key(at) == "DATE_BIN" else _far_trunc(unit, x)
    if far is None:
        return []
    near = x if found.tz is None else f"arrow_cast({x}, 'Timestamp({_UNITS[found.unit]}, Some(\"+00:00\"))')"
    guard = f"CASE WHEN {near} BETWEEN {_LOW} AND {_HIGH} THEN arrow_cast("
    return [(start, start, guard), (end, end, f", '{_arrow(found)}') ELSE {_arrow_cast(far, found)} END")]


def _unit(text: Text, at: int, arguments: list[Span]) -> str:
    unit = text.tokens[arguments[0].first]
    is_cut = text.key(at) != "DATE_BIN" and unit.kind is TokenKind.STRING and arguments[0].first == arguments[0].last
    return unit.value.lower() if is_cut else ""


def _finely(x: str, unit: str, found: pa.DataType) -> str:
    """Single values before 1970 are rounded up by the engine's date_trunc, to these units."""
    if found.unit == "ns":
        return f"date_bin(INTERVAL '1 {unit}', {x})"
    return _arrow_cast(_stepped(_whole(x), _FINE_UNITS[unit]), found)


def _arrow_cast(far: str, found: pa.DataType) -> str:
    """What is computed in whole microseconds, or is a date or timestamp, in the type of what was cut."""
    return f"arrow_cast(arrow_cast({far}, '{_arrow(found, 'us')}'), '{_arrow(found)}')"


def _as_stamp(text: Text, span: Span, digits: int = 6) -> list[Edit]:
    start, end = text.tokens[span.first].start, text.tokens[span.last].end
    return [(start, start, "CAST("), (end, end, f" AS TIMESTAMP({digits}))")]


def _arrow(data_type: pa.DataType, unit: str = "") -> str:
    zone = f'Some("{data_type.tz}")' if data_type.tz else "None"
    return f"Timestamp({_UNITS[unit or data_type.unit]}, {zone})"


def _far_trunc(unit: str, x: str) -> str | None:
    if unit in _FORMS:
        return _FORMS[unit].format(x=x)
    return _stepped(_whole(x), _SECONDS[unit] * 1_000_000) if unit in _SECONDS else None


def _far_bin(text: Text, arguments: list[Span], x: str) -> str:
    """For a stride that is no literal the cast tells, where the engine would give NULL."""
    stride = _stride(text, arguments)
    return f"CAST({x} AS TIMESTAMP(9))" if stride is None else _stepped(_whole(x), stride)


def _stride(text: Text, arguments: list[Span]) -> int | None:
    """The microseconds of a stride of fixed length; None for any other."""
    found = _STRIDE.fullmatch(text.of(arguments[0]))
    return None if found is None else int(found[1]) * _SECONDS[found[2].lower()] * 1_000_000 or None


def _stepped(value: str, step: int, since: str = "0") -> str:
    return f"({value} - ((({value} - {since}) % {step}) + {step}) % {step})"


def _whole(x: str) -> str:
    return f"arrow_cast(arrow_cast({x}, 'Timestamp(Microsecond, None)'), 'Int64')"


def _series(text: Text, at: int, known: Known, typed: Typed) -> list[Edit]:
    """Beyond nanoseconds a series is NULL to the engine; a cast makes an error of it."""
    edits: list[Edit] = []
    for span in list(text.arguments(at + 1))[:2]:
        if maybe(text, span, known) & ANY and of_type(found := typed(text, span)) == Times.COARSE:
            start, end = text.tokens[span.first].start, text.tokens[span.last].end
            zone = f'Some("{found.tz}")' if found.tz else "None"
            edits += [(start, start, "arrow_cast("), (end, end, f", 'Timestamp(Nanosecond, {zone})')")]
    return edits


def _in_zone(text: Text, at: int, typed: Typed) -> list[Edit]:
    zone = text.tokens[at + 3] if at + 3 < len(text.tokens) else None
    if at == 0 or zone is None or zone.kind is not TokenKind.STRING or '"' in zone.value or "'" in zone.value:
        return []
    operand = text.primary_before(at)
    if of_type(typed(text, operand)) not in (Times.COARSE, Times.DAY):
        return []
    start, end = text.tokens[operand.first].start, text.tokens[operand.last].end
    return [
        (start, start, "arrow_cast("),
        (end, zone.end, f", 'Timestamp(Microsecond, Some(\"{zone.value}\"))')"),
    ]


def _of_seconds(text: Text, at: int, known: Known, typed: Typed) -> list[Edit]:
    is_short = text.key(at - 1) == "::"
    operand = text.primary_before(at - 1) if is_short else text.before(at - 1)
    words = [token for token in text.tokens[operand.first : operand.last + 1] if token.kind is not TokenKind.STRING]
    if not words or (len(words) == 1 and known.get(words[0].value.lower(), Times.NONE)):
        return []
    if not pa.types.is_integer(typed(text, operand)):
        return []
    start, end = text.tokens[operand.first].start, text.tokens[operand.last].end
    return [(start, start, "CAST("), (end, end, " AS TIMESTAMP(0))")]


def _to_char(text: Text, at: int, known: Known, typed: Typed) -> list[Edit]:
    arguments = list(text.arguments(at + 1))
    if len(arguments) != 2 or not maybe(text, arguments[0], known) & Times.COARSE:
        return []
    shape = text.tokens[arguments[1].first]
    if shape.kind is not TokenKind.STRING or _SHOWS_ZONE.search(shape.value) is not None:
        return []
    found = typed(text, arguments[0])
    if of_type(found) != Times.COARSE or found.tz is None:
        return []
    start, end = text.tokens[arguments[0].first].start, text.tokens[arguments[0].last].end
    return [(start, start, "arrow_cast("), (end, end, f", 'Timestamp({_UNITS[found.unit]}, None)')")]


def _to_timestamp(text: Text, at: int) -> list[Edit]:
    arguments = list(text.arguments(at + 1))
    if len(arguments) != 1 or arguments[0].first != arguments[0].last:
        return []
    value = text.tokens[arguments[0].first]
    start, end = text.tokens[at].start, text.tokens[text.closing(at + 1)].end
    if is_time_text(text, arguments[0]) and not is_fine(value.value):
        return [(start, value.start, "CAST("), (value.end, end, " AS TIMESTAMP(6) WITH TIME ZONE)")]
    if value.kind is TokenKind.NUMBER and (whole_number(value.value) or 0) > _SECONDS_MAX:
        name_end = text.tokens[at].end
        return [(start, name_end, "CAST(to_timestamp_seconds"), (end, end, " AS TIMESTAMP(6) WITH TIME ZONE)")]
    return []
