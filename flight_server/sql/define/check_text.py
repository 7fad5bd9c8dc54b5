"""Columns in the text of a CHECK: which it names, and the same text with one of them under another name.

The text stays as it was written, so columns are found among its tokens. Whoever changes it plans it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from flight_server.parser.text.lexer import Token, TokenKind, lex
from storage.catalog.names import quoted

_VALUES: Final = (TokenKind.STRING, TokenKind.NUMBER)


def columns_named(text: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Those of `columns` that `text` names, in their order."""
    found = {name for _, name in _places(text, columns)}
    return tuple(name for name in columns if name in found)


def with_renamed(text: str, old: str, new: str) -> str:
    """`text` with the column `old` called `new`."""
    parts: list[str] = []
    end = 0
    for token, _ in _places(text, (old,)):
        parts += (text[end : token.start], quoted(new))
        end = token.end
    return "".join((*parts, text[end:]))


def _places(text: str, columns: Collection[str]) -> Iterator[tuple[Token, str]]:
    tokens = lex(text)
    for at, token in enumerate(tokens):
        name = token.value if token.kind is TokenKind.QUOTED else token.value.lower()
        if token.kind in (TokenKind.WORD, TokenKind.QUOTED) and name in columns and _is_column(tokens, at):
            yield token, name


def _is_column(tokens: Sequence[Token], at: int) -> bool:
    """Not a field, a type, a function, a unit, or the type before a literal."""
    before = tokens[at - 1] if at else None
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    if before is not None and before.key in (".", "AS", "::"):
        return False
    if tokens[at].kind is TokenKind.QUOTED:
        return after is None or after.key != "("
    if before is not None and before.kind in _VALUES:  # INTERVAL '1' DAY
        return False
    is_part = at > 1 and tokens[at - 1].key == "(" and tokens[at - 2].key == "EXTRACT"
    return not (is_part or (after is not None and (after.key == "(" or after.kind is TokenKind.STRING)))
