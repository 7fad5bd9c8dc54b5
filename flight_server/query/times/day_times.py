"""Day times become microseconds, as columns are, and TIME(p) the unit that holds p digits: the engine has nanoseconds.

    TIME '10:00:00'               arrow_cast(TIME '10:00:00', 'Time64(Microsecond)')
    CAST(x AS TIME(3)), x::TIME   arrow_cast(CAST(x AS TIME), 'Time32(Millisecond)'), arrow_cast(x::TIME, ..)
    current_time                  arrow_cast(current_time, 'Time64(Microsecond)')

A literal with more than six digits keeps its nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from flight_server.parser.dialect.microseconds import is_fine
from flight_server.parser.text.clauses import Clause, Clauses, is_item, key_at
from flight_server.parser.text.lexer import Token, TokenKind, lex
from flight_server.parser.text.precisions import unit_of_precision
from flight_server.parser.text.sql_text import Edit, edited
from storage.catalog.names import quoted

_ANY: Final = re.compile(r"\btime\b|\bcurrent_time\b", re.IGNORECASE)
_CASTS: Final = ("CAST", "TRY_CAST", "SAFE_CAST")
_ARROW: Final = {"s": "Time32(Second)", "ms": "Time32(Millisecond)", "us": "Time64(Microsecond)"}
_NAMES: Final = (TokenKind.WORD, TokenKind.QUOTED)


def with_day_times(sql: str) -> str:
    """`sql` with its times of day in their units; as it is when there is none. Raises InvalidRequest."""
    if _ANY.search(sql) is None:
        return sql
    return edited(sql, list(_edits(lex(sql))))


def _edits(tokens: Sequence[Token]) -> Iterator[Edit]:
    clauses = Clauses()
    stood: list[Clause] = []  # the clause of each token
    opened: list[int] = []
    for at, token in enumerate(tokens):
        stood.append(clauses.now)
        clauses.follow(token)
        if token.key in ("(", "["):
            opened.append(at)
        elif token.key in (")", "]") and opened:
            opened.pop()
        found = _found(tokens, at, opened[-1] if opened else None)
        if found is None:
            continue
        if found.precision:
            yield tokens[at + 1].start, tokens[found.precision].end, ""
        if found.unit in _ARROW:
            yield tokens[found.first].start, tokens[found.first].start, "arrow_cast("
            is_named = is_item(stood[found.first], tokens, found.first, found.last)
            alias = f" AS {quoted(_name(tokens, found))}" if is_named else ""
            yield tokens[found.last].end, tokens[found.last].end, f", '{_ARROW[found.unit]}'){alias}"


class _Found(NamedTuple):
    """A time of day from `first` to `last`; precision: the token that ends `(p)`, 0 if there is none."""

    first: int
    last: int
    unit: str
    precision: int = 0
    value: int | None = None  # the last token of what is cast


def _found(tokens: Sequence[Token], at: int, bracket: int | None) -> _Found | None:
    if tokens[at].key == "TIME":
        return _type_found(tokens, at, bracket)
    if tokens[at].key != "CURRENT_TIME" or key_at(tokens, at - 1) in (".", "AS"):
        return None
    last = at + 2 if (key_at(tokens, at + 1), key_at(tokens, at + 2)) == ("(", ")") else at
    return None if key_at(tokens, last + 1) in (".", "(") else _Found(at, last, "us")


def _type_found(tokens: Sequence[Token], at: int, bracket: int | None) -> _Found | None:
    """The word TIME, if it is a type here: before a string, at the end of a cast, behind `::`."""
    last, unit = _precision(tokens, at)
    precision = last if last > at else 0
    ends = last + 1
    if key_at(tokens, ends) == "WITHOUT" and key_at(tokens, ends + 1) == "TIME":
        ends += 3
    value = tokens[ends] if ends < len(tokens) else None
    before = key_at(tokens, at - 1)
    if value is not None and value.kind is TokenKind.STRING and before not in ("::", ".", "WITH"):
        return _Found(at, ends, "ns" if not precision and is_fine(value.value) else unit, precision)
    if before == "::":
        return _Found(_operand(tokens, at - 2), ends - 1, unit, precision, at - 2)
    if before == "AS" and bracket is not None and key_at(tokens, bracket - 1) in _CASTS:
        return _Found(bracket - 1, ends, unit, precision, at - 2)
    return None


def _name(tokens: Sequence[Token], found: _Found) -> str:
    """A column that is cast keeps its name, as the engine has it."""
    if found.value is not None and tokens[found.value].kind in _NAMES:
        token = tokens[found.value]
        return token.value if token.kind is TokenKind.QUOTED else token.value.lower()
    return tokens[found.first].value.lower() if tokens[found.first].key == "CURRENT_TIME" else "time"


def _precision(tokens: Sequence[Token], at: int) -> tuple[int, str]:
    """Of `TIME(p)`: its last token and the unit."""
    is_given = key_at(tokens, at + 1) == "(" and key_at(tokens, at + 3) == ")"
    if not is_given or tokens[at + 2].kind is not TokenKind.NUMBER:
        return at, "us"
    return at + 3, unit_of_precision(tokens[at + 2].value)


def _operand(tokens: Sequence[Token], last: int) -> int:
    """The first token of what `::` behind `last` casts: a name, a value, a call, a bracket, with casts of its own."""
    first = last
    while True:
        if key_at(tokens, first) in (")", "]"):
            first = _opening(tokens, first)
            is_subscript = tokens[first].key == "["
            if first > 0 and (is_subscript or _is_name(tokens, first - 1)):
                first -= 1
                continue
        before = key_at(tokens, first - 1)
        if before in (".", "::"):
            first -= 2
        elif tokens[first].kind is TokenKind.STRING and before in ("TIME", "TIMESTAMP", "DATE", "INTERVAL"):
            first -= 1
        else:
            return max(first, 0)


def _opening(tokens: Sequence[Token], at: int) -> int:
    depth = 0
    while at > 0:
        depth += (tokens[at].key in (")", "]")) - (tokens[at].key in ("(", "["))
        if depth == 0:
            break
        at -= 1
    return at


def _is_name(tokens: Sequence[Token], at: int) -> bool:
    """Of a function, whose bracket follows: no word of the query's own."""
    return tokens[at].kind in _NAMES and tokens[at].key not in _NO_FUNCTIONS


_WORDS: Final = (
    "SELECT DISTINCT ALL WHERE AND OR NOT IN ON WHEN THEN ELSE BY HAVING VALUES BETWEEN LIKE ILIKE FROM JOIN LIMIT "
    "OFFSET RETURNING SET CASE IS USING QUALIFY ESCAPE AS UNION EXCEPT INTERSECT EXISTS"
)
_NO_FUNCTIONS: Final = frozenset(_WORDS.split())
