"""Operand sources are the WITH and FROM around an operand, so that its type can be asked of the engine."""

from __future__ import annotations

from flight_server.query.times.operands import AFTER_FROM, SETS, Span, Text


def sources(text: Text, at: int) -> tuple[str, list[str]]:
    """The WITH that the token at `at` can see, and the FROM of each SELECT around it, innermost first."""
    known: list[str] = []
    froms: list[str] = []
    inside = at
    while inside >= 0:
        start, select = level(text, inside)
        first = start
        while text.key(first) in ("EXPLAIN", "ANALYZE", "VERBOSE"):
            first += 1
        if text.key(first) == "WITH":
            known.insert(0, _definitions(text, first, inside if select is None else select, select is None))
        if select is not None and (found := _from(text, select)):
            froms.append(found)
        inside = start - 1
    known = [definitions for definitions in known if definitions]
    return f"WITH {', '.join(known)} " if known else "", froms


def level(text: Text, at: int) -> tuple[int, int | None]:
    """Where the bracket around `at` begins, and the SELECT that `at` belongs to."""
    select = None
    while at > 0:
        before = at - 1
        if select is None and text.tokens[at].key == "SELECT":
            select = at
        partner = text.partner(before)
        if partner > before and text.tokens[before].key != "CASE":
            break
        at = min(partner, before)
    if select is None and text.key(at) == "SELECT":
        select = at
    return at, select


def _definitions(text: Text, start: int, end: int, is_inside: bool) -> str:
    """The text of a WITH up to `end`; from within a definition, only those before it."""
    first = start + 1 + (text.key(start + 1) == "RECURSIVE")
    last, at = first, first
    while at < end:
        if text.tokens[at].key == ",":
            last = at
        at = text.closing(at) + 1
    stop = last if is_inside else end
    return "" if stop <= first else text.sql[text.tokens[first].start : text.tokens[stop - 1].end]


def _from(text: Text, select: int) -> str:
    at, found = select + 1, None
    while at < len(text.tokens):
        key = text.tokens[at].key
        if key in SETS or text.partner(at) < at or (found is not None and key in AFTER_FROM):
            break
        if found is None and key == "FROM" and text.key(at - 1) != "DISTINCT":
            found = at + 1
        at = text.closing(at) + 1
    return "" if found is None or found >= at else text.of(Span(found, at - 1))
