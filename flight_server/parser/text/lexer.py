"""The lexer makes tokens of SQL text, which know where they stand.

Promises:  `text[token.start:token.end]` is exactly what the user wrote; comments and white space are no tokens.
Assumes:   the engine reads strings, quoted names and comments as PostgreSQL does. sqlglot's tokenizer with
           PostgreSQL's rules finds the borders; all its key words are switched off, so every word is a WORD.
Refuses:   NUL, back-quotes, and whatever does not end (string, name, comment), naming the position.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import ClassVar, Final, NamedTuple

from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token as RawToken
from sqlglot.tokenizer_core import TokenType

from flight_server.parser.text.comments import is_blank
from storage.errors import InvalidRequest

SYNTAX_ERROR: Final = "42601"


class TokenKind(Enum):
    WORD = auto()  # SELECT, my_table
    QUOTED = auto()  # "My Table"
    STRING = auto()  # 'x', E'x', $$x$$, X'00'
    NUMBER = auto()
    PARAMETER = auto()  # ? or $1
    SYMBOL = auto()  # everything else, one operator or bracket each


class Token(NamedTuple):
    """One token.

    key:   upper-case text of a WORD, the symbol itself of a SYMBOL, "" of all others: compare with this
    value: content of a QUOTED or STRING (escapes resolved), the text as written of all others
    start: offset of its first character; `end` is one past its last
    """

    kind: TokenKind
    key: str
    value: str
    start: int
    end: int


class _Tokenizer(Postgres.Tokenizer):
    COMMANDS: ClassVar[set[TokenType]] = set()
    # "$1" .. "$9" are key words of their own, or `$1+$2` would begin a string with the tag "1+".
    KEYWORDS: ClassVar[dict[str, TokenType]] = {
        **dict.fromkeys(("::", "||", ">=", "<=", "<>", "!=", "->", "->>", "=>", ":="), TokenType.VAR),
        **{f"${digit}": TokenType.PARAMETER for digit in range(10)},
    }


_KINDS: Final = {
    TokenType.IDENTIFIER: TokenKind.QUOTED,
    TokenType.STRING: TokenKind.STRING,
    TokenType.BYTE_STRING: TokenKind.STRING,
    TokenType.BIT_STRING: TokenKind.STRING,
    TokenType.HEX_STRING: TokenKind.STRING,
    TokenType.UNICODE_STRING: TokenKind.STRING,
    TokenType.NATIONAL_STRING: TokenKind.STRING,
    TokenType.HEREDOC_STRING: TokenKind.STRING,
    TokenType.NUMBER: TokenKind.NUMBER,
    TokenType.PLACEHOLDER: TokenKind.PARAMETER,
}
APART: Final = "(),;=+-*/<>[]{}|%:!~&^.'\""  # what never runs together with a string behind it
_STARTED_AT = re.compile(r"from \d+:(\d+)$")
_NUMBER_PREFIX: Final = ("0x", "0X", "0b", "0B")
_COMMENT_STARTS: Final = ("--", "/*", "{#")


def lex(text: str) -> list[Token]:
    """All tokens of `text`. Raises InvalidRequest (42601) naming the position, counted from 1."""
    _refuse_characters(text)
    try:
        raw_tokens = _Tokenizer().tokenize(text)
    except TokenError as error:
        raise _unreadable(text, error) from None
    tokens: list[Token] = []
    for raw in raw_tokens:
        kind = _KINDS.get(raw.token_type)
        start, end = raw.start, raw.end + 1
        if kind is TokenKind.STRING or kind is TokenKind.QUOTED:
            _refuse_run_together(text, start, tokens)
        if kind is TokenKind.NUMBER:
            _append_number(tokens, raw.text, start, end)
        elif kind is None:
            _refuse_digit_groups(text, start, tokens)
            tokens.append(_word_or_symbol(raw, start, end))
        elif text.startswith(_NUMBER_PREFIX, start):
            tokens.append(Token(TokenKind.NUMBER, "", text[start:end], start, end))
        else:
            tokens.append(Token(kind, "", raw.text, start, end))
    _check_gaps(text, tokens)
    return tokens


def _check_gaps(text: str, tokens: list[Token]) -> None:
    """What is left out must be white space and comments: the tokenizer has its own ideas of nested ones."""
    if not any(start in text for start in _COMMENT_STARTS):
        return
    end = 0
    for token in tokens:
        if token.start - end > 1 and not is_blank(text, end, token.start):
            raise syntax_error(end, "the comment that begins here does not end where it seems to")
        end = token.end
    if not is_blank(text, end, len(text)):
        raise syntax_error(end, "the comment that begins here does not end where it seems to")


def _refuse_characters(text: str) -> None:
    at = text.find("\x00")
    if at >= 0:
        raise syntax_error(at, "a NUL character is not allowed in SQL text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise syntax_error(error.start, "half a surrogate pair is no character") from None


def _refuse_run_together(text: str, start: int, tokens: list[Token]) -> None:
    """Refuse a quote that the engine may read with what stands before it: `#E'..'`, `#$$`, `Q'[..]'`, `R".."`.

    Lexer, guard and engine must find the same ends of strings, or one could be shown what another is not.
    """
    before = text[start - 1 : start]
    if not before or before.isspace() or before in APART:
        return
    word = tokens[-1].key if tokens and tokens[-1].end == start else ""
    if text[start] == '"' and word not in ("B", "R", "BR", "RB"):
        return
    if text[start] == "'" and len(word) > 2:  # DATE'2026-01-31'
        return
    raise syntax_error(start, "a blank is missing before the quote; raw and other prefixed strings are not allowed")


def _refuse_digit_groups(text: str, start: int, tokens: list[Token]) -> None:
    """`1_000` is a thousand to PostgreSQL and `1 AS _000` to the engine."""
    if text[start] == "_" and tokens and tokens[-1].end == start and tokens[-1].kind is TokenKind.NUMBER:
        raise syntax_error(start, "a number has no _ between its digits")


def _word_or_symbol(raw: RawToken, start: int, end: int) -> Token:
    text = raw.text
    if raw.token_type is TokenType.PARAMETER and text != "@":
        if text == "$":
            raise syntax_error(start, "a parameter is ? or a number from $1 up")
        return Token(TokenKind.PARAMETER, "", text, start, end)
    if raw.token_type is TokenType.UNKNOWN:
        raise syntax_error(start, f"{text} is not allowed; quote names with double quotes")
    first = text[0]
    if first.isalpha() or first == "_" or (raw.token_type is TokenType.VAR and text not in _Tokenizer.KEYWORDS):
        return Token(TokenKind.WORD, text.upper(), text, start, end)
    return Token(TokenKind.SYMBOL, text, text, start, end)


def _append_number(tokens: list[Token], text: str, start: int, end: int) -> None:
    """`$1` and `0` in a row are `$10`."""
    before = tokens[-1] if tokens else None
    if before is not None and before.kind is TokenKind.PARAMETER and before.end == start and before.value != "?":
        tokens[-1] = Token(TokenKind.PARAMETER, "", before.value + text, before.start, end)
    else:
        tokens.append(Token(TokenKind.NUMBER, "", text, start, end))


def _unreadable(text: str, error: TokenError) -> InvalidRequest:
    """The tokenizer tells where the unended thing began only in the words of its inner error."""
    found = _STARTED_AT.search(str(error.__cause__))
    if found is None:
        return syntax_error(len(text), "the text ends inside a string, a quoted name or a comment")
    at = int(found[1])
    if "invalid characters" in str(error.__cause__):
        return syntax_error(at, "a binary literal holds characters that are no digits")
    what = "quoted name" if text.startswith('"', at) else "string"
    return syntax_error(at, f"the {what} that begins here does not end")


def syntax_error(offset: int, problem: str) -> InvalidRequest:
    """The error for something wrong in the text at `offset` (counted from 0)."""
    return InvalidRequest(f"syntax error at position {offset + 1}: {problem}", sqlstate=SYNTAX_ERROR)


def without_comments(text: str, tokens: Sequence[Token]) -> str:
    """`text` with comments turned into blanks, so that offsets stay and a slice can hide nothing behind `--`."""
    if not any(start in text for start in _COMMENT_STARTS):
        return text
    parts: list[str] = []
    end = 0
    for token in tokens:
        parts += (_blank(text[end : token.start]), text[token.start : token.end])
        end = token.end
    parts.append(_blank(text[end:]))
    return "".join(parts)


def _blank(gap: str) -> str:
    return gap if gap.isspace() else " " * len(gap)


def mentions(text: str, words: Iterable[str]) -> bool:
    """Is one of `words` (lower case) a name in `text`, in any case, outside strings and comments?"""
    lowered = text.lower()
    wanted = {word for word in words if word in lowered}
    if not wanted:
        return False
    names = (TokenKind.WORD, TokenKind.QUOTED)
    return any(token.kind in names and token.value.lower() in wanted for token in lex(text))
