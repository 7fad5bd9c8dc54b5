"""Timestamps without a precision are microseconds, as columns are: `TIMESTAMP '..'`, casts, `now()`.

To the engine they are nanoseconds, which end in 1677 and 2262, so '9999-12-31' fails, and so does every column that is
compared with them. A precision, which the engine reads, is written into the text before it is planned. It leaves casts
out of the names of columns, so these stay.

    TIMESTAMP '9999-12-31 00:00:00'    TIMESTAMP(6) '9999-12-31 00:00:00'
    CAST(x AS TIMESTAMP), x::TIMESTAMP CAST(x AS TIMESTAMP( 6)), x::TIMESTAMP( 6)
    now(), current_timestamp           CAST(now() AS TIMESTAMP(6) WITH TIME ZONE)

A literal with more digits keeps its nanoseconds; a precision that is written becomes that of the unit which holds it.
`generate_series` and `range` take nanoseconds only. The blank in `TIMESTAMP( 6)` tells `time_calls` that an integer was
cast without a precision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from flight_server.parser.text.clauses import key_at
from flight_server.parser.text.lexer import Token, TokenKind, lex
from flight_server.parser.text.precisions import DIGITS_OF_UNITS, unit_of_precision
from flight_server.parser.text.sql_text import Edit, edited

_ANY: Final = re.compile(r"timestamp|now\s*\(")
_FINE: Final = re.compile(r"\.\d{6}\d*[1-9]")
_TYPES: Final = frozenset(("TIMESTAMP", "TIMESTAMPTZ"))
_CASTS: Final = frozenset(("CAST", "TRY_CAST", "SAFE_CAST"))
_SERIES_CALLS: Final = frozenset(("GENERATE_SERIES", "RANGE"))
_TEXTS_KEPT: Final = 512
_CHARS_KEPT: Final = 10_000
_NO_CAST, _CAST, _TYPE_OF_CAST, _SERIES = range(4)


def in_microseconds(sql: str) -> str:
    """`sql` with its precisions written out; as it is when it has no such word. Raises InvalidRequest (unreadable)."""
    lowered = sql.lower()
    if ("timestamp" not in lowered and "now" not in lowered) or _ANY.search(lowered) is None:
        return sql
    return _kept(sql) if len(sql) <= _CHARS_KEPT else _written(sql)


def _written(sql: str) -> str:
    return edited(sql, _edits(lex(sql)))


_kept = lru_cache(maxsize=_TEXTS_KEPT)(_written)


def _edits(tokens: Sequence[Token]) -> Iterator[Edit]:
    types = [_NO_CAST]  # of each open bracket where in a cast we are
    for at, token in enumerate(tokens):
        key = token.key
        if key == "(":
            types.append(_bracket(key_at(tokens, at - 1)))
        elif key == ")" and len(types) > 1:
            types.pop()
        elif key == "AS" and types[-1] == _CAST:
            types[-1] = _TYPE_OF_CAST
        elif key in _TYPES and _has_precision(tokens, at):
            digits = DIGITS_OF_UNITS[unit_of_precision(tokens[at + 2].value)]
            if tokens[at + 2].value != str(digits):
                yield tokens[at + 2].start, tokens[at + 2].end, str(digits)
        elif _SERIES in types:
            continue
        elif key in _TYPES and key_at(tokens, at + 1) != "(":
            if types[-1] == _TYPE_OF_CAST or key_at(tokens, at - 1) == "::":
                yield token.end, token.end, "( 6)"
            elif _is_of_literal(tokens, at):
                yield token.end, token.end, "(6)"
        elif (end := _end_of_now(tokens, at)) is not None:
            yield token.start, token.start, "CAST("
            yield end, end, " AS TIMESTAMP(6) WITH TIME ZONE)"


def _has_precision(tokens: Sequence[Token], at: int) -> bool:
    is_bracket = key_at(tokens, at + 1) == "(" and key_at(tokens, at + 3) == ")"
    return is_bracket and tokens[at + 2].kind is TokenKind.NUMBER


def _bracket(before: str) -> int:
    if before in _CASTS:
        return _CAST
    return _SERIES if before in _SERIES_CALLS else _NO_CAST


def _is_of_literal(tokens: Sequence[Token], at: int) -> bool:
    """Before a literal that microseconds can hold."""
    value = at + 1
    if key_at(tokens, value) in ("WITH", "WITHOUT") and key_at(tokens, value + 1) == "TIME":
        value += 3
    return value < len(tokens) and tokens[value].kind is TokenKind.STRING and not is_fine(tokens[value].value)


def _end_of_now(tokens: Sequence[Token], at: int) -> int | None:
    """Where the call of now() that begins at `at` ends."""
    called = key_at(tokens, at + 1) == "("
    if tokens[at].key not in ("NOW", "CURRENT_TIMESTAMP") or key_at(tokens, at - 1) in (".", "AS"):
        return None
    if called:
        return tokens[at + 2].end if key_at(tokens, at + 2) == ")" else None
    return tokens[at].end if tokens[at].key == "CURRENT_TIMESTAMP" and key_at(tokens, at + 1) != "." else None


def is_fine(value: str) -> bool:
    """Whether a text has digits that microseconds can't hold."""
    return _FINE.search(value) is not None
