"""Words that stand for a string: the engine does not know them, so they are written out before a text is planned.

    current_user, session_user, current_role, current_schema, current_catalog    with and without brackets
    current_database(), database(), schema(), version()                          with brackets alone
    user                                                  with brackets; without them among what a text without FROM
                                                          selects or inserts: it is a usual name of columns

What they stand for is the scope's. Each may have `pg_catalog.` before it. Where one is a column of the result by itself
it keeps its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from flight_server.sql.lexer import Token, TokenKind, lex
from storage.names import quoted

_BARE: Final = frozenset(("CURRENT_USER", "SESSION_USER", "CURRENT_ROLE", "CURRENT_SCHEMA", "CURRENT_CATALOG"))
_CALLED: Final = _BARE | {"CURRENT_DATABASE", "DATABASE", "SCHEMA", "VERSION", "USER"}
_ANY: Final = re.compile(
    r"\b(current_(?:user|role|schema|catalog|database)|session_user|user|(?:database|schema|version)\s*\()",
    re.IGNORECASE,
)
_PREFIX: Final = "PG_CATALOG"
_CLAUSES: Final = frozenset(
    ("SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "VALUES", "SET", "ON", "RETURNING", "BY", "WINDOW")
)
_ITEM_BEGINS: Final = frozenset(("SELECT", "DISTINCT", "ALL", ","))
_BEHIND_ITEM: Final = ", ) ; FROM WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH UNION EXCEPT INTERSECT WINDOW QUALIFY"
_ITEM_ENDS: Final = frozenset(_BEHIND_ITEM.split())

Words = Mapping[str, str]  # upper-case word -> what it stands for


class _Clause(NamedTuple):
    """word: that began the clause within this bracket, "" before any; around: the same, or of the bracket around."""

    word: str
    around: str = ""


def written_out(text: str, words: Words) -> str:
    """`text` with the words written out; as it is when there is none. Raises InvalidRequest (unreadable)."""
    if not words or _ANY.search(text) is None:
        return text
    tokens = lex(text)
    has_columns = any(token.key == "FROM" for token in tokens)
    parts: list[str] = []
    end = 0
    clauses = [_Clause("")]  # of the statement and each open bracket
    for at, token in enumerate(tokens):
        is_value = not has_columns and clauses[-1].around in ("SELECT", "VALUES")
        last = _last_of_word(tokens, at, is_value=is_value) if token.key in words else None
        if last is not None:
            first = at - 2 if _key(tokens, at - 1) == "." else at
            named = clauses[-1].word == "SELECT" and _is_item(tokens, first, last)
            alias = f" AS {quoted(token.key.lower())}" if named else ""
            parts += (text[end : tokens[first].start], _literal(words[token.key]), alias)
            end = tokens[last].end
        _follow(clauses, token)
    return "".join((*parts, text[end:]))


def _last_of_word(tokens: Sequence[Token], at: int, *, is_value: bool) -> int | None:
    """The last token of the word at `at`; None where it is a name."""
    key, before = tokens[at].key, _key(tokens, at - 1)
    if before == "AS" or (before == "." and _key(tokens, at - 2) != _PREFIX):
        return None
    if (_key(tokens, at + 1), _key(tokens, at + 2)) == ("(", ")") and key in _CALLED:
        return at + 2
    if _key(tokens, at + 1) in (".", "("):
        return None
    return at if key in _BARE or (key == "USER" and is_value) else None


def _follow(clauses: list[_Clause], token: Token) -> None:
    if token.key == "(":
        clauses.append(_Clause("", clauses[-1].around))
    elif token.key == ")" and len(clauses) > 1:
        clauses.pop()
    elif token.kind is TokenKind.WORD and token.key in _CLAUSES:
        clauses[-1] = _Clause(token.key, token.key)


def _is_item(tokens: Sequence[Token], first: int, last: int) -> bool:
    ends = last + 1 == len(tokens) or tokens[last + 1].key in _ITEM_ENDS
    return _key(tokens, first - 1) in _ITEM_BEGINS and ends


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _key(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].key if 0 <= at < len(tokens) else ""
