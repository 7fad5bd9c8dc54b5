"""Refuses what the engine understands and answers wrongly: no answer is better than a wrong one.

| text | what the engine does |
| --- | --- |
| `x > ALL (query)`, `x = ANY (query)` | takes columns of one table inside and outside of the query for the same |
| `EXCEPT ALL`, `INTERSECT ALL` | does not count how often a row is there |
| `SIMILAR TO` | takes the pattern for a regular expression |
| `x NOT IN (1) OR x NOT IN (2)` | takes rows whose x is NULL, see `wrong_answers_in_lists` |
| `a IS DISTINCT FROM b AND c` | reads `a IS DISTINCT FROM (b AND c)`, as with OR |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flight_server.parser.text.lexer import Token
from storage.errors import NotSupported

_COMPARISONS: Final = frozenset({"=", "<>", "!=", "<", "<=", ">", ">="})
_QUANTIFIERS: Final = frozenset({"ALL", "ANY", "SOME"})
# fmt: off
_ENDS_CONDITION: Final = frozenset({
    "WHERE", "GROUP", "ORDER", "HAVING", "QUALIFY", "WINDOW", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT",
    "RETURNING", "WHEN", "THEN", "ELSE", "END", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "ON",
    "USING", "AS", "SET", "FROM", ",", ";",
})
# fmt: on
_QUERY_STARTS: Final = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})


def refuse_wrong_answers(tokens: Sequence[Token]) -> None:
    """Raises NotSupported with another way to write it."""
    for at in range(len(tokens) - 1):
        first, second = tokens[at].key, tokens[at + 1].key
        if first in _COMPARISONS and second in _QUANTIFIERS and _is_query(tokens, at + 2):
            raise NotSupported(
                f"{first} {second} (query) is not supported; use IN, NOT IN, or compare with (SELECT min(..) ..) or max"
            )
        if first in ("EXCEPT", "INTERSECT") and second == "ALL":
            raise NotSupported(f"{first} ALL is not supported; use {first}, or number equal rows with row_number()")
        if first == "SIMILAR" and second == "TO":
            raise NotSupported("SIMILAR TO is not supported; use LIKE, or ~ with a regular expression")
        if first == "DISTINCT" and second == "FROM" and _goes_on(tokens, at + 2):
            raise NotSupported("IS DISTINCT FROM before AND or OR needs brackets: (a IS DISTINCT FROM b) AND ..")


def _goes_on(tokens: Sequence[Token], at: int) -> bool:
    """Whether AND or OR comes before the end of the condition, outside of brackets and CASE .. END."""
    depth = 0
    for token in tokens[at:]:
        if token.key in ("(", "[", "{", "CASE"):
            depth += 1
        elif depth:
            depth -= token.key in (")", "]", "}", "END")
        elif token.key in (")", "]", "}") or token.key in _ENDS_CONDITION:
            return False
        elif token.key in ("AND", "OR"):
            return True
    return False


def _is_query(tokens: Sequence[Token], at: int) -> bool:
    """Whether a bracket, or several, with a query in it begins here."""
    start = at
    while at < len(tokens) and tokens[at].key == "(":
        at += 1
    return at > start and at < len(tokens) and tokens[at].key in _QUERY_STARTS
