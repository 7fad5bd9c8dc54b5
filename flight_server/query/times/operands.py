"""Operand search finds in tokens where an operand begins and ends.

Words are looked at, no grammar: what is found wrongly fails when its type is asked for, and is left alone then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from flight_server.parser.text.clauses import key_at
from flight_server.parser.text.lexer import Token, TokenKind, lex

OPENING: Final = {")": "(", "]": "[", "}": "{", "END": "CASE"}
COMPARES: Final = frozenset(("=", "<", ">", "<=", ">=", "<>", "!="))
SETS: Final = frozenset(("UNION", "EXCEPT", "INTERSECT"))
AFTER_FROM: Final = frozenset(("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "QUALIFY", "WINDOW", ";"))
_BORDERS: Final = frozenset((
    "SELECT", "DISTINCT", "ALL", "FROM", "ON", "USING", "AND", "OR", "NOT", "BY", "AS", "WHEN", "THEN", "ELSE", ",",
    "IS", "IN", "BETWEEN", "LIKE", "ILIKE", "ASC", "DESC", "NULLS", "JOIN", "INNER", "LEFT", "RIGHT", "FULL",
    "CROSS", "VALUES", "RETURNING", "EXPLAIN", "ANALYZE", "VERBOSE", "SYMMETRIC", "PARTITION",
)) | (COMPARES | SETS | AFTER_FROM)  # fmt: skip
_TYPES: Final = frozenset(("TIMESTAMP", "TIMESTAMPTZ", "DATE"))


class Span(NamedTuple):
    """Tokens first .. last, both included."""

    first: int
    last: int


class Text:
    """A text as tokens with the partner of each bracket, CASE and END."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens = lex(sql)
        self._partner = _partners(self.tokens)

    def of(self, span: Span) -> str:
        return self.sql[self.tokens[span.first].start : self.tokens[span.last].end]

    def key(self, at: int) -> str:
        return key_at(self.tokens, at)

    def closing(self, at: int) -> int:
        """The end of the bracket that opens at `at`; itself if it has none."""
        return max(at, self._partner.get(at, at))

    def partner(self, at: int) -> int:
        """The other bracket of a pair; itself if `at` is none."""
        return self._partner.get(at, at)

    def before(self, at: int) -> Span:
        """The operand that ends just before `at`."""
        first = at
        while first > 0 and self.tokens[first - 1].key not in _BORDERS:
            before = first - 1
            partner = self._partner.get(before, before)
            if partner > before:  # a bracket opens: we are inside of it
                break
            first = partner
        return Span(first, at - 1)

    def behind(self, at: int) -> Span:
        """The operand that begins just behind `at`."""
        last = at
        while last + 1 < len(self.tokens) and self.tokens[last + 1].key not in _BORDERS:
            partner = self._partner.get(last + 1, last + 1)
            if partner < last + 1 or (self.tokens[last + 1].key in OPENING and partner == last + 1):
                break
            last = partner
        return Span(at + 1, last)

    def primary_before(self, at: int) -> Span:
        """The name, call, bracket or literal, with its type and casts, that ends just before `at`."""
        found = self._primary_before(at)
        while self.key(found.first - 1) == "::":
            found = self._primary_before(found.first - 1)
        return Span(found.first, at - 1)

    def _primary_before(self, at: int) -> Span:
        first = max(0, min(at - 1, self.partner(at - 1)))
        if self.key(first) == "(" and self.is_name(first - 1):
            first -= 1
        while self.key(first - 1) == "." and self.is_name(first - 2):
            first -= 2
        if self.tokens[first].kind is TokenKind.STRING:
            first = self._typed_literal(first)
        return Span(first, at - 1)

    def _typed_literal(self, at: int) -> int:
        """From the string of `TIMESTAMP(6) WITH TIME ZONE '..'` to its first word; itself if it has no type."""
        first = at - 3 if self.key(at - 1) == "ZONE" else at
        if self.key(first - 1) == ")":
            first = self.partner(first - 1)
        return first - 1 if self.key(first - 1) in _TYPES else at

    def primary_behind(self, at: int) -> Span:
        """The name, call or bracket that begins just behind `at`."""
        last = self.closing(at + 1)
        while self.key(last + 1) == "." and self.is_name(last + 2):
            last += 2
        if self.key(last + 1) == "(" and self.is_name(last):
            last = self.closing(last + 1)
        if last + 1 < len(self.tokens) and self.key(last) in _TYPES | {")"} and self._is_string(last + 1):
            last += 1
        return Span(at + 1, last)

    def is_name(self, at: int) -> bool:
        return 0 <= at < len(self.tokens) and self.tokens[at].kind in (TokenKind.WORD, TokenKind.QUOTED)

    def _is_string(self, at: int) -> bool:
        return self.tokens[at].kind is TokenKind.STRING

    def arguments(self, opening: int) -> Iterator[Span]:
        """What stands between the commas of a bracket."""
        end, first, at = self.closing(opening), opening + 1, opening + 1
        while at < end:
            if self.tokens[at].key == ",":
                yield Span(first, at - 1)
                first = at + 1
            at = self.closing(at) + 1
        if first < end:
            yield Span(first, end - 1)

    def is_column(self, span: Span) -> bool:
        """A name, with its table perhaps."""
        return all(self.is_name(at) or self.key(at) == "." for at in range(span.first, span.last + 1))


def _partners(tokens: list[Token]) -> dict[int, int]:
    open_: list[int] = []
    partner: dict[int, int] = {}
    for at, token in enumerate(tokens):
        if token.key in ("(", "[", "{", "CASE"):
            open_.append(at)
        elif token.key in OPENING and open_ and tokens[open_[-1]].key == OPENING[token.key]:
            partner[at] = open_.pop()
            partner[partner[at]] = at
    return partner
