"""Clauses tell where in a statement a token stands, and whether it is an item of a SELECT list by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from flight_server.parser.text.lexer import Token, TokenKind

_CLAUSES: Final = frozenset(
    ("SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "VALUES", "SET", "ON", "RETURNING", "BY", "WINDOW")
)
_ITEM_BEGINS: Final = frozenset(("SELECT", "DISTINCT", "ALL", ","))
_BEHIND_ITEM: Final = ", ) ; FROM WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH UNION EXCEPT INTERSECT WINDOW QUALIFY"
_ITEM_ENDS: Final = frozenset(_BEHIND_ITEM.split())


class Clause(NamedTuple):
    """word: that began the clause within this bracket, "" before any; around: the same, or of the bracket around."""

    word: str
    around: str = ""


class Clauses:
    """The clause at each token, when all tokens are handed over in order."""

    def __init__(self) -> None:
        self._open = [Clause("")]  # of the statement and each open bracket

    @property
    def now(self) -> Clause:
        return self._open[-1]

    def follow(self, token: Token) -> None:
        if token.key == "(":
            self._open.append(Clause("", self.now.around))
        elif token.key == ")" and len(self._open) > 1:
            self._open.pop()
        elif token.kind is TokenKind.WORD and token.key in _CLAUSES:
            self._open[-1] = Clause(token.key, token.key)

    def has_item(self, tokens: Sequence[Token], first: int, last: int) -> bool:
        """Whether the tokens from `first` on, where we are, to `last` are an item of a SELECT list without a name."""
        return is_item(self.now, tokens, first, last)


def is_item(clause: Clause, tokens: Sequence[Token], first: int, last: int) -> bool:
    """The same, where `first` stands in `clause`."""
    ends = last + 1 == len(tokens) or tokens[last + 1].key in _ITEM_ENDS
    return clause.word == "SELECT" and key_at(tokens, first - 1) in _ITEM_BEGINS and ends


def key_at(tokens: Sequence[Token], at: int) -> str:
    """The key of a token; "" beyond the ends."""
    return tokens[at].key if 0 <= at < len(tokens) else ""
