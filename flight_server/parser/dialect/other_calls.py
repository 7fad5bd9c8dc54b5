"""Functions under the names that other databases have for them are written as the engine's own.

A call is only changed at its edges (its name, its commas, its brackets), so calls within calls fit into each other, and
what stands between stays as it was written. An argument is never written twice.

    approx_count_distinct(x)     approx_distinct(x)
    listagg(x, ',') WITHIN GROUP (ORDER BY y)     string_agg(x, ',' ORDER BY y)
    mod(a, b)                    ((a) % (b))
    from_hex(x)                  decode(x, 'hex')
    datediff('day', a, b)        how many days begin between them, by the epochs of their days
    to_char(x, 'YYYY-MM')        to_char(x, '%Y-%m')
    pg_catalog.upper(x)          upper(x)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from flight_server.parser.dialect.time_patterns import chrono_pattern
from flight_server.parser.text.clauses import Clauses, key_at
from flight_server.parser.text.cursor import RESERVED
from flight_server.parser.text.lexer import Token, TokenKind
from flight_server.parser.text.quoting import literal
from flight_server.parser.text.sql_text import Edit, SqlText
from storage.catalog.names import quoted
from storage.errors import InvalidRequest, NotSupported

# Words that are not reserved, and yet no operand, so that a call may follow.
_BEFORE_CALL: Final = RESERVED | frozenset(
    ("BY", "QUALIFY", "OFFSET", "ESCAPE", "ILIKE", "SIMILAR", "RLIKE", "XOR", "DIV", "PLACING", "IS", "ROWS", "RANGE")
)
_BEFORE_NAME: Final = frozenset(("TABLE", "INTO", "VIEW", "EXISTS", "WITH", "RECURSIVE", "AS", ".", "UPDATE"))
_PREFIX: Final = "PG_CATALOG"
_SECONDS: Final = {
    "second": "1", "minute": "60", "hour": "3600", "day": "86400", "week": "604800",
    # The mean length in 400 years: the beginnings of months and years are less than two days from its multiples.
    "month": "2629746", "quarter": "7889238", "year": "31556952",
}  # fmt: skip


class Call(NamedTuple):
    """name: its token; commas: the tokens between arguments; close: its closing bracket."""

    tokens: Sequence[Token]
    name: int
    commas: tuple[int, ...]
    close: int

    @property
    def arguments(self) -> int:
        return 0 if self.close == self.name + 2 else len(self.commas) + 1

    def constant(self, first: int, end: int) -> Token | None:
        """The token between two others, if it is just one string or word."""
        found = self.tokens[first + 1]
        is_plain = found.kind in (TokenKind.STRING, TokenKind.WORD)
        return found if end == first + 2 and is_plain else None

    def replaced(self, first: int, last: int, text: str) -> Edit:
        return self.tokens[first].start, self.tokens[last].end, text

    def wanted(self, text: str) -> InvalidRequest:
        return InvalidRequest(f"{self.tokens[self.name].value.lower()}() is written as {text}", sqlstate="42883")


def with_own_calls(text: SqlText) -> SqlText:
    """`text` with such calls written out; as it is when there is none. Raises InvalidRequest, NotSupported."""
    return text if _ANY.search(text.sql) is None else text.edited(_edits(text.tokens))


def _edits(tokens: Sequence[Token]) -> Iterator[Edit]:
    closing, commas = _brackets(tokens)
    clauses = Clauses()
    for at, token in enumerate(tokens):
        if token.key == _PREFIX and key_at(tokens, at + 1) == "." and key_at(tokens, at + 3) == "(":
            yield token.start, tokens[at + 1].end, ""
        write = _CALLS.get(token.key) if key_at(tokens, at + 1) == "(" else None
        if write is not None and at + 1 in closing and _is_call(tokens, at, closing[at + 1]):
            call = Call(tokens, at, tuple(commas.get(at + 1, ())), closing[at + 1])
            yield from write(call)
            if write in _EXPANDED and clauses.has_item(tokens, _first(tokens, at), call.close):
                yield tokens[call.close].end, tokens[call.close].end, f" AS {quoted(token.key.lower())}"
        clauses.follow(token)


def _brackets(tokens: Sequence[Token]) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Opening bracket -> closing one, and -> the commas right inside of it."""
    closing: dict[int, int] = {}
    commas: dict[int, list[int]] = {}
    opened: list[int] = []
    for at, token in enumerate(tokens):
        if token.key in ("(", "[", "{"):
            opened.append(at)
        elif token.key in (")", "]", "}") and opened:
            closing[opened.pop()] = at
        elif token.key == "," and opened:
            commas.setdefault(opened[-1], []).append(at)
    return closing, commas


def _first(tokens: Sequence[Token], name: int) -> int:
    is_prefixed = key_at(tokens, name - 1) == "." and key_at(tokens, name - 2) == _PREFIX
    return name - 2 if is_prefixed else name


def _is_call(tokens: Sequence[Token], name: int, close: int) -> bool:
    """No name of a table, a view or an alias with columns in brackets."""
    before = _first(tokens, name) - 1
    if key_at(tokens, before) in _BEFORE_NAME or (key_at(tokens, close + 1), key_at(tokens, close + 2)) == ("AS", "("):
        return False
    if before < 0:
        return False
    token = tokens[before]
    return token.key in _BEFORE_CALL if token.kind is TokenKind.WORD else token.key not in ("", ")", "]")


# --- how each is written ---------------------------------------------------------------------------------------


def _named(name: str) -> Callable[[Call], list[Edit]]:
    return lambda call: [call.replaced(call.name, call.name, name)]


def _aggregated_text(separator: str) -> Callable[[Call], list[Edit]]:
    """`separator`: where none is given."""

    def write(call: Call) -> list[Edit]:
        edits = [call.replaced(call.name, call.name, "string_agg")]
        after = [key_at(call.tokens, call.close + ahead) for ahead in (1, 2, 3)]
        default = "" if call.commas else f", '{separator}'"
        if after == ["WITHIN", "GROUP", "("]:
            return [*edits, call.replaced(call.close, call.close + 3, f"{default} ")]
        order = next((at for at in range(call.name, call.close) if _is_order(call.tokens, at)), call.close)
        blank = " " if default and order < call.close else ""
        return [*edits, (call.tokens[order].start, call.tokens[order].start, default + blank)]

    return write


def _is_order(tokens: Sequence[Token], at: int) -> bool:
    return tokens[at].key == "ORDER" and key_at(tokens, at - 1) not in (",", "(") and key_at(tokens, at + 1) == "BY"


def _modulo(call: Call) -> list[Edit]:
    if call.arguments != 2:
        raise call.wanted("mod(a, b)")
    return [
        call.replaced(call.name, call.name + 1, "(("),
        call.replaced(call.commas[0], call.commas[0], ") % ("),
        call.replaced(call.close, call.close, "))"),
    ]


def _from_hex(call: Call) -> list[Edit]:
    if call.arguments != 1:
        raise call.wanted("from_hex(text)")
    return [call.replaced(call.name, call.name, "decode"), call.replaced(call.close, call.close, ", 'hex')")]


def _part(unit: str) -> Callable[[Call], list[Edit]]:
    def write(call: Call) -> list[Edit]:
        if call.arguments != 1:
            raise call.wanted(f"{unit}(time)")
        return [call.replaced(call.name, call.name + 1, f"date_part('{unit}', ")]

    return write


def _difference(call: Call) -> list[Edit]:
    """A month is about 30.4 days: the rounded quotient of its first moment's epoch counts months, and so on."""
    if call.arguments != 3:
        raise call.wanted("datediff('day', from, to)")
    token = call.constant(call.name + 1, call.commas[0])
    unit = token.value.lower().removesuffix("s") if token is not None else ""
    if unit not in _SECONDS:
        raise InvalidRequest(f"datediff() begins with a unit, which is one of {', '.join(_SECONDS)}", sqlstate="22023")
    before = f"CAST(round(date_part('epoch', date_trunc('{unit}', CAST("
    behind = f" AS TIMESTAMP))) / {_SECONDS[unit]}.0) AS BIGINT)"
    return [
        call.replaced(call.name, call.commas[0], f"(-1 * ({before}"),
        call.replaced(call.commas[1], call.commas[1], f"{behind} - {before}"),
        call.replaced(call.close, call.close, f"{behind}))"),
    ]


def _patterns(*, is_read: bool) -> Callable[[Call], list[Edit]]:
    """Of all arguments but the first: PostgreSQL's become chrono's."""

    def write(call: Call) -> list[Edit]:
        edits = []
        for first, end in pairwise((*call.commas, call.close)):
            token = call.constant(first, end)
            if token is not None and token.kind is TokenKind.STRING:
                pattern = chrono_pattern(token.value, is_read=is_read)
                edits += [] if pattern == token.value else [(token.start, token.end, literal(pattern))]
        return edits

    return write


def _no_json(call: Call) -> list[Edit]:
    raise NotSupported(
        f"{call.tokens[call.name].value.lower()}() is not supported, since there are no functions of JSON; store the "
        "fields that are asked for in columns, or in a STRUCT or a MAP"
    )


_JSON: Final = (
    "JSON_EXTRACT JSON_EXTRACT_STRING JSON_EXTRACT_SCALAR JSON_EXTRACT_PATH JSON_EXTRACT_PATH_TEXT JSON_VALUE "
    "JSON_QUERY JSON_ARRAY_LENGTH JSON_KEYS JSON_TYPE JSON_VALID JSON_OBJECT JSON_ARRAY JSON_EXISTS "
    "JSON_CONTAINS JSON_EACH JSON_PARSE PARSE_JSON TO_JSON JSONB_EXTRACT_PATH JSONB_EXTRACT_PATH_TEXT GET_JSON_OBJECT"
)
_READ_BY_PATTERNS: Final = (
    "TO_TIMESTAMP", "TO_TIMESTAMP_SECONDS", "TO_TIMESTAMP_MILLIS", "TO_TIMESTAMP_MICROS", "TO_TIMESTAMP_NANOS",
    "TO_DATE", "TO_TIME", "TO_UNIXTIME",
)  # fmt: skip
_UNITS: Final = ("year", "quarter", "month", "week", "day", "hour", "minute")
_CALLS: Final[dict[str, Callable[[Call], list[Edit]]]] = {
    "APPROX_COUNT_DISTINCT": _named("approx_distinct"),
    "CEILING": _named("ceil"),
    "EVERY": _named("bool_and"),
    "LCASE": _named("lower"),
    "LEN": _named("length"),
    "SIGN": _named("signum"),
    "UCASE": _named("upper"),
    "LISTAGG": _aggregated_text(""),
    "GROUP_CONCAT": _aggregated_text(","),
    "MOD": _modulo,
    "FROM_HEX": _from_hex,
    "UNHEX": _from_hex,
    "DATEDIFF": _difference,
    "DATE_DIFF": _difference,
    **dict.fromkeys(("TO_CHAR", "DATE_FORMAT"), _patterns(is_read=False)),
    **dict.fromkeys(_READ_BY_PATTERNS, _patterns(is_read=True)),
    **{unit.upper(): _part(unit) for unit in _UNITS},
    **dict.fromkeys(_JSON.split(), _no_json),
}
_EXPANDED: Final = frozenset(_CALLS[name] for name in ("MOD", "FROM_HEX", "DATEDIFF", *map(str.upper, _UNITS)))
_ANY: Final = re.compile(rf"\b(?:{'|'.join(_CALLS)})\s*\(|{_PREFIX}", re.IGNORECASE)
