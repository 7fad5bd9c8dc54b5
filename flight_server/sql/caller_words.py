"""`current_user`, `session_user` and `current_role` in queries and changes: the engine does not know them, so they are
written as the strings that they stand for before a statement is read.

    current_user   whose rights the statement has; another one's under EXECUTE AS
    session_user   who logged in
    current_role   the role of current_user

Where one is a column of the result by itself it keeps its name. Definitions are left alone: a DEFAULT is computed for
each row that needs it, and the text of a view is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from flight_server.access.sessions import Session
from flight_server.sql.create_sql import literal
from flight_server.sql.lexer import Token, TokenKind, lex
from storage.names import quoted

_ANY: Final = re.compile(r"\b(current_user|session_user|current_role)\b", re.IGNORECASE)
_READ_IN: Final = frozenset(
    ("SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "INSERT", "UPDATE", "DELETE", "MERGE", "SUBSCRIBE", "(")
)
_CLAUSES: Final = frozenset(
    ("SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "VALUES", "SET", "ON", "RETURNING", "BY", "WINDOW")
)
_ITEM_BEGINS: Final = frozenset(("SELECT", "DISTINCT", "ALL", ","))
_BEHIND_ITEM: Final = ", ) ; FROM WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH UNION EXCEPT INTERSECT WINDOW QUALIFY"
_ITEM_ENDS: Final = frozenset(_BEHIND_ITEM.split())


def with_caller(text: str, session: Session) -> str:
    """`text` with the words written out; as it is when there is none. Raises InvalidRequest (unreadable)."""
    if _ANY.search(text) is None:
        return text
    tokens = lex(text)
    if not tokens or tokens[0].key not in _READ_IN:
        return text
    meanings = _meanings(session)
    parts: list[str] = []
    end = 0
    clauses = [""]  # of each open bracket the clause that we are in
    for at, token in enumerate(tokens):
        if token.key in meanings and _stands_alone(tokens, at):
            last = _last_of_call(tokens, at)
            named = clauses[-1] == "SELECT" and _is_item(tokens, at, last)
            alias = f" AS {quoted(token.key.lower())}" if named else ""
            parts += (text[end : token.start], literal(meanings[token.key]), alias)
            end = tokens[last].end
        _follow(clauses, token)
    return "".join((*parts, text[end:]))


def _meanings(session: Session) -> dict[str, str]:
    who = session.principal
    logged_in = session.acting_for or who
    return {"CURRENT_USER": who.name, "SESSION_USER": logged_in.name, "CURRENT_ROLE": str(who.role)}


def _follow(clauses: list[str], token: Token) -> None:
    if token.key == "(":
        clauses.append("")
    elif token.key == ")" and len(clauses) > 1:
        clauses.pop()
    elif token.kind is TokenKind.WORD and token.key in _CLAUSES:
        clauses[-1] = token.key


def _stands_alone(tokens: Sequence[Token], at: int) -> bool:
    """No part of a dotted name, and no alias."""
    return _key(tokens, at - 1) not in (".", "AS") and _key(tokens, at + 1) != "."


def _last_of_call(tokens: Sequence[Token], at: int) -> int:
    """Some tools write `current_user()`."""
    return at + 2 if (_key(tokens, at + 1), _key(tokens, at + 2)) == ("(", ")") else at


def _is_item(tokens: Sequence[Token], first: int, last: int) -> bool:
    ends = last + 1 == len(tokens) or tokens[last + 1].key in _ITEM_ENDS
    return _key(tokens, first - 1) in _ITEM_BEGINS and ends


def _key(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].key if 0 <= at < len(tokens) else ""
