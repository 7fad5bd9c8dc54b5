"""Texts without the passwords and credentials in them, for everybody who keeps or shows what was run."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from flight_server.sql.lexer import Token, TokenKind, lex
from storage.errors import InvalidRequest

HIDDEN: Final = "'***'"
UNREADABLE: Final = "(hidden: a text that speaks of a password or of credentials and can't be read)"
_SUSPECT: Final = re.compile("password|credentials", re.IGNORECASE)
_JUST_BEFORE: Final = ("PASSWORD", "CREDENTIALS", "=", "TO")
_NOTHING: Final = Token(TokenKind.SYMBOL, "", "", 0, 0)


def without_secrets(sql: str) -> str:
    """`sql` with every string behind the word PASSWORD or CREDENTIALS replaced, up to the next `;`; if the text is
    about a USER or a STORAGE also what stands right behind it, string or not.

    Too much is hidden rather than too little: in a text that speaks of a password, somebody may have written it in
    the wrong place. A text that can't be cut into tokens is hidden whole.
    """
    if _SUSPECT.search(sql) is None:
        return sql
    try:
        tokens = lex(sql)
    except InvalidRequest:
        return UNREADABLE
    is_definition = any(token.key in ("USER", "STORAGE") for token in tokens)
    parts, at, hiding = [], 0, False
    for before, token in pairwise([_NOTHING, *tokens]):
        is_next = is_definition and hiding and before.key in _JUST_BEFORE and token.key not in _JUST_BEFORE
        if token.key == ";":
            hiding = False
        elif token.kind is TokenKind.WORD and _SUSPECT.fullmatch(token.value):
            hiding = True
        elif hiding and token.kind is not TokenKind.PARAMETER and (is_next or token.kind is TokenKind.STRING):
            parts += [sql[at : token.start], HIDDEN]
            at = token.end
    return "".join([*parts, sql[at:]])
