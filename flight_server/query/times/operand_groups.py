"""Operand groups hold what the engine brings to one type: of comparisons, lists, CASE, calls, rows and sets."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from flight_server.parser.text.lexer import TokenKind
from flight_server.query.times.operand_sources import level
from flight_server.query.times.operands import AFTER_FROM, COMPARES, OPENING, SETS, Span, Text

_AFTER_ITEMS: Final = SETS | AFTER_FROM | {"FROM"}
_ROWS_MAX: Final = 200
_AS_VALUES: Final = frozenset(("COALESCE", "GREATEST", "LEAST", "NULLIF", "NVL", "IFNULL"))
_OF_QUERIES: Final = frozenset(("SELECT", "WITH", "VALUES", "TABLE"))


class Kind(Enum):
    COMPARED = auto()  # a < b
    BETWEEN = auto()  # a, low, high
    LISTED = auto()  # a IN (b, c)
    QUERIED = auto()  # a IN (SELECT ..)
    SELECTED = auto()  # SELECT a UNION SELECT b
    VALUES = auto()  # what one value is taken from: coalesce(a, b), THEN a ELSE b


class Group(NamedTuple):
    """Operands that the engine brings to one type; `word` is the operator, `negated` a NOT before it."""

    kind: Kind
    word: str
    negated: bool
    operands: tuple[Span, ...]


def groups(text: Text) -> Iterator[Group]:
    """All that are found, in the order of the text; those within one another too."""
    for at, token in enumerate(text.tokens):
        if token.kind is TokenKind.STRING or token.kind is TokenKind.QUOTED:
            continue
        found = _group_at(text, at, token.key)
        if found is not None and all(span.first <= span.last for span in found.operands):
            yield found
        if token.key == "VALUES":
            yield from _columns(Kind.VALUES, list(_rows(text, at)))
        elif token.key in SETS:
            behind = at + 1 + (text.key(at + 1) in ("ALL", "DISTINCT"))
            _, select = level(text, at)
            if select is not None and text.key(behind) == "SELECT":
                yield from _columns(Kind.SELECTED, [list(_items(text, select)), list(_items(text, behind))])


def _rows(text: Text, at: int) -> Iterator[list[Span]]:
    at += 1
    for _ in range(_ROWS_MAX):
        if text.key(at) != "(":
            return
        yield list(text.arguments(at))
        at = text.closing(at) + 1
        if text.key(at) != ",":
            return
        at += 1


def _items(text: Text, select: int) -> Iterator[Span]:
    """What is selected, without aliases; nothing when a star is among it."""
    first = select + 1 + (text.key(select + 1) in ("ALL", "DISTINCT"))
    at, found = first, []
    while at <= len(text.tokens):
        is_end = _ends_items(text, at)
        if (is_end or text.key(at) == ",") and at > first:
            found.append(_without_alias(text, Span(first, at - 1)))
            first = at + 1
        if is_end:
            break
        at = text.closing(at) + 1
    if not any(text.key(span.last) == "*" for span in found):
        yield from found


def ends_item(text: Text, at: int) -> bool:
    """Whether what is selected ends at `at`, without an alias."""
    return text.key(at + 1) == "," or _ends_items(text, at + 1)


def _ends_items(text: Text, at: int) -> bool:
    return at >= len(text.tokens) or text.key(at) in _AFTER_ITEMS or text.partner(at) < at


def _without_alias(text: Text, span: Span) -> Span:
    if span.last - span.first > 1 and text.key(span.last - 1) == "AS":
        return Span(span.first, span.last - 2)
    before = text.tokens[span.last - 1].key
    if span.last > span.first and text.is_name(span.last) and (text.is_name(span.last - 1) or before in OPENING):
        return Span(span.first, span.last - 1)
    return span


def _group_at(text: Text, at: int, key: str) -> Group | None:
    if key in COMPARES:
        return Group(Kind.COMPARED, key, False, (text.before(at), text.behind(at)))
    if key == "DISTINCT" and text.key(at + 1) == "FROM" and text.key(at - 1) in ("IS", "NOT"):
        negated = text.key(at - 1) == "NOT"
        return Group(Kind.COMPARED, key, negated, (text.before(at - 1 - negated), text.behind(at + 1)))
    negated = text.key(at - 1) == "NOT"
    if key == "BETWEEN":
        low = text.behind(at)
        return Group(Kind.BETWEEN, key, negated, (text.before(at - negated), low, text.behind(low.last + 1)))
    if key == "IN" and text.key(at + 1) == "(":
        left = text.before(at - negated)
        if text.key(at + 2) in _OF_QUERIES:
            return Group(Kind.QUERIED, key, negated, (left, Span(at + 1, text.closing(at + 1))))
        return Group(Kind.LISTED, key, negated, (left, *text.arguments(at + 1)))
    if key == "-":
        return Group(Kind.VALUES, key, False, (text.primary_before(at), text.primary_behind(at)))
    if key in _AS_VALUES and text.key(at + 1) == "(":
        return Group(Kind.VALUES, key, False, tuple(text.arguments(at + 1)))
    if key == "CASE" and text.partner(at) != at:
        return Group(Kind.VALUES, key, False, tuple(_branches(text, at, ("THEN", "ELSE"))))
    if key == "WHEN" and (case := _case_of(text, at)) is not None and text.key(case + 1) != "WHEN":
        return Group(Kind.VALUES, key, False, (text.behind(case), *_branches(text, case, ("WHEN",))))
    return None


def _case_of(text: Text, at: int) -> int | None:
    """The CASE whose first WHEN stands at `at`."""
    first = text.before(at).first
    return first - 1 if text.key(first - 1) == "CASE" else None


def _branches(text: Text, case: int, words: tuple[str, ...]) -> Iterator[Span]:
    at, end = case + 1, text.closing(case)
    while at < end:
        if text.tokens[at].key in words:
            yield text.behind(at)
        at = text.closing(at) + 1


def _columns(kind: Kind, rows: list[list[Span]]) -> Iterator[Group]:
    """What stands below each other, when all rows are of one width."""
    if len(rows) > 1 and len({len(row) for row in rows}) == 1:
        for column in zip(*rows, strict=True):
            yield Group(kind, "", False, column)
