"""FETCH FIRST is written as LIMIT, before a statement is read: the engine does not know it.

    FETCH {FIRST | NEXT} [n] {ROW | ROWS} ONLY                    LIMIT n (1 where there is no n)
    OFFSET m {ROW | ROWS} FETCH {FIRST | NEXT} n ROWS ONLY        LIMIT n OFFSET m

`n` and `m` are one literal, one parameter, or an expression in brackets. Refused: WITH TIES and PERCENT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flight_server.parser.text.lexer import Token, TokenKind, syntax_error
from flight_server.parser.text.sql_text import Edit, SqlText
from storage.errors import NotSupported

_ROWS: Final = ("ROW", "ROWS")
_LITERALS: Final = (TokenKind.NUMBER, TokenKind.PARAMETER)


def with_limits(text: SqlText) -> SqlText:
    """`text` with LIMIT in the place of each FETCH; itself when there is none. Raises InvalidRequest, NotSupported."""
    return text.edited(_fetches(text.sql, text.tokens))


def _fetches(text: str, tokens: Sequence[Token]) -> Iterator[Edit]:
    """Not where LIMIT is refused either, so that the error names what was written."""
    is_change = _key(tokens, 0) in ("UPDATE", "DELETE", "SUBSCRIBE")
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.key == "(") - (token.key == ")")
        if token.key == "FETCH" and _key(tokens, at + 1) in ("FIRST", "NEXT") and (depth or not is_change):
            found = _fetch(text, tokens, at)
            if found is not None:
                yield found


def _fetch(text: str, tokens: Sequence[Token], at: int) -> Edit | None:
    """None where the words are names."""
    count = at + 2
    behind = _past_value(tokens, count)
    if _key(tokens, behind) == "PERCENT":
        raise NotSupported("FETCH .. PERCENT is not supported; compute the number of rows before, and use LIMIT")
    if _key(tokens, behind) not in _ROWS:
        if behind == count:
            return None
        raise syntax_error(_start(tokens, behind), "FETCH FIRST n is followed by ROWS ONLY")
    if _key(tokens, behind + 1) == "WITH":
        raise NotSupported("FETCH .. WITH TIES is not supported; compare with rank() in QUALIFY")
    if _key(tokens, behind + 1) != "ONLY":
        raise syntax_error(_start(tokens, behind + 1), "FETCH FIRST n ROWS is followed by ONLY")
    limit = f"LIMIT {_sql(text, tokens, count, behind) or '1'}"
    offset = _offset_before(tokens, at)
    start = tokens[at].start
    if offset is not None:
        start, limit = tokens[offset].start, f"{limit} OFFSET {_sql(text, tokens, offset + 1, at - 1)}"
    return start, tokens[behind + 1].end, limit


def _offset_before(tokens: Sequence[Token], fetch: int) -> int | None:
    """The OFFSET of `OFFSET m ROWS`, which ends where FETCH begins."""
    if _key(tokens, fetch - 1) not in _ROWS:
        return None
    at = fetch - 2
    if _key(tokens, at) == ")":
        depth = 0
        while at >= 0:
            depth += (tokens[at].key == ")") - (tokens[at].key == "(")
            if depth == 0:
                break
            at -= 1
    return at - 1 if _key(tokens, at - 1) == "OFFSET" else None


def _past_value(tokens: Sequence[Token], at: int) -> int:
    """Past one literal, parameter or bracket; `at` itself where none is."""
    if at < len(tokens) and tokens[at].kind in _LITERALS:
        return at + 1
    if _key(tokens, at) in ("+", "-") and at + 1 < len(tokens) and tokens[at + 1].kind is TokenKind.NUMBER:
        return at + 2
    if _key(tokens, at) != "(":
        return at
    depth = 0
    for behind in range(at, len(tokens)):
        depth += (tokens[behind].key == "(") - (tokens[behind].key == ")")
        if depth == 0:
            return behind + 1
    raise syntax_error(tokens[at].start, "no ) ends what begins here")


def _sql(text: str, tokens: Sequence[Token], first: int, behind: int) -> str:
    return text[tokens[first].start : tokens[behind - 1].end] if behind > first else ""


def _start(tokens: Sequence[Token], at: int) -> int:
    return tokens[at].start if at < len(tokens) else tokens[-1].end


def _key(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].key if 0 <= at < len(tokens) else ""
