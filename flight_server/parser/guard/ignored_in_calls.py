"""OVER, FILTER, DISTINCT and the like beside a function of single rows: the engine reads them and does nothing about
them, so they are refused, as is DISTINCT in a function of windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flight_server.parser.text.lexer import Token, TokenKind
from flight_server.query.sessions.functions import names_of, only_scalar
from storage.errors import InvalidRequest, NotSupported

_TRIGGERS: Final = frozenset(("OVER", "FILTER", "IGNORE", "RESPECT", "WITHIN", "DISTINCT", "ORDER"))
_BEHIND: Final = {
    ("OVER", "("): "OVER",
    ("FILTER", "("): "FILTER",
    ("IGNORE", "NULLS"): "IGNORE NULLS",
    ("RESPECT", "NULLS"): "RESPECT NULLS",
    ("WITHIN", "GROUP"): "WITHIN GROUP",
}
_NAMES: Final = (TokenKind.WORD, TokenKind.QUOTED)


def refuse_ignored_in_calls(tokens: Sequence[Token]) -> None:
    """Raises InvalidRequest (42809), NotSupported."""
    if not any(token.key in _TRIGGERS for token in tokens):
        return
    calls: list[str] = []  # of each open bracket the function that it belongs to, or ""
    for at, token in enumerate(tokens):
        key = token.key
        if key == "(":
            calls.append(_called(tokens, at))
            if _key(tokens, at + 1) == "DISTINCT":
                _check_distinct(calls[-1])
        elif key == ")" and calls:
            _check_behind(calls.pop(), _key(tokens, at + 1), _key(tokens, at + 2))
        elif key == "ORDER" and calls and calls[-1] in only_scalar() and _key(tokens, at + 1) == "BY":
            raise _no_aggregate("ORDER BY", calls[-1])


def _called(tokens: Sequence[Token], bracket: int) -> str:
    is_query = _key(tokens, bracket + 1) in ("SELECT", "WITH")
    name = tokens[bracket - 1] if bracket else None
    if is_query or name is None or name.kind not in _NAMES:
        return ""
    return name.value.lower()


def _check_distinct(name: str) -> None:
    if name in only_scalar():
        raise _no_aggregate("DISTINCT", name)
    if name in names_of("WINDOW"):
        raise NotSupported(f"DISTINCT in {name}() is not supported; select distinct values in a subquery")


def _check_behind(name: str, first: str, second: str) -> None:
    clause = _BEHIND.get((first, second)) or ("OVER" if first == "OVER" else None)
    if clause is not None and name in only_scalar():
        raise _no_aggregate(clause, name)


def _no_aggregate(clause: str, name: str) -> InvalidRequest:
    what = "window function or aggregate" if clause == "OVER" else "aggregate"
    return InvalidRequest(f"{clause} can't be used here: {name}() is no {what}", sqlstate="42809")


def _key(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].key if 0 <= at < len(tokens) else ""
