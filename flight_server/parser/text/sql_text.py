"""SqlText is a piece of SQL with its tokens, which are lexed once, when they are asked for first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from flight_server.parser.text.lexer import Token, lex, syntax_error, without_comments

_COMMENT_MARKS: Final = (";", "--", "/*", "{#")

Edit = tuple[int, int, str]  # what stands from .. to .. becomes this


class SqlText:
    """sql: the text. Two of the same text are equal; it is not changed, rewriting gives another one."""

    __slots__ = ("_tokens", "sql")

    def __init__(self, sql: str, tokens: Sequence[Token] | None = None) -> None:
        """tokens: of just this text, if they are known."""
        self.sql: Final = sql
        self._tokens = tokens

    @property
    def tokens(self) -> Sequence[Token]:
        """Raises InvalidRequest (unreadable)."""
        if self._tokens is None:
            self._tokens = lex(self.sql)
        return self._tokens

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SqlText) and other.sql == self.sql

    def __hash__(self) -> int:
        return hash(self.sql)

    def __repr__(self) -> str:
        return f"SqlText({self.sql!r})"

    def edited(self, edits: Iterable[Edit]) -> SqlText:
        """With `edits` made, which do not overlap; itself when there is none."""
        made = list(edits)
        return SqlText(edited(self.sql, made)) if made else self

    def part(self, first: int, behind: int) -> SqlText:
        """From the token `first` to before the token `behind`, without what stands around them."""
        tokens = self.tokens[first:behind]
        start, end = tokens[0].start, tokens[-1].end
        if start == 0 and end == len(self.sql):
            return self
        moved = [token._replace(start=token.start - start, end=token.end - start) for token in tokens]
        return SqlText(self.sql[start:end], moved if start else tokens)

    def without_end(self) -> SqlText:
        """Without the `;` behind the last statement."""
        count = len(self.tokens)
        while count and self.tokens[count - 1].key == ";":
            count -= 1
        if count == len(self.tokens):
            return self
        return SqlText(self.sql[: self.tokens[count].start], self.tokens[:count])

    def without_comments(self) -> SqlText:
        """Comments turned into blanks, so that tokens stay where they are."""
        blanked = without_comments(self.sql, self.tokens)
        return self if blanked == self.sql else SqlText(blanked, self.tokens)


def edited(sql: str, edits: Iterable[Edit]) -> str:
    """The text with `edits` made, which stand in any order and do not overlap."""
    parts: list[str] = []
    end = 0
    for start, stop, text in sorted(edits):
        parts += (sql[end:start], text)
        end = stop
    return "".join((*parts, sql[end:]))


def split_statements(text: SqlText) -> tuple[SqlText, ...]:
    """The statements of `text`, at least one, without their `;` and the comments around them.

    Raises InvalidRequest (42601) when there is none, or the text can't be read.
    """
    if text.sql.strip() and not any(mark in text.sql for mark in _COMMENT_MARKS):
        return (text,)
    ends = [at for at, token in enumerate(text.tokens) if token.key == ";"]
    borders = zip((-1, *ends), (*ends, len(text.tokens)), strict=True)
    statements = tuple(text.part(before + 1, end) for before, end in borders if end > before + 1)
    if not statements:
        raise syntax_error(0, "no SQL statement in the text")
    return statements
