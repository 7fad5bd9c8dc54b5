"""`check_text` refuses texts that would crash or stall the engine, before the engine sees them.

Why:      the engine parses and plans by recursion. A flat chain of 10,000 operators, 6,000 unions or 2,000 nested
          words overruns a thread's stack and kills the process; shorter ones plan for minutes and can't be stopped.
Promises: one pass over the text, no parse; a text over a limit is refused as soon as the limit is reached.
Assumes:  strings, quoted names and comments end where the lexer has them end (a test holds the two together), and
          nothing reaches the engine that the lexer did not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flight_server.parser.guard.limits import GuardLimits, over_limit
from flight_server.parser.guard.pieces import Piece
from flight_server.parser.guard.scan import Scan
from flight_server.parser.text.comments import comment_end
from flight_server.parser.text.lexer import APART

__all__ = ["GuardLimits", "check_text"]

_LITERAL = (
    r"\s*+(?:[-+]?[0-9][0-9.]*+(?:[eE][-+]?[0-9]++)?"
    r"|(?:(?i:DATE|TIME|TIMESTAMP|INTERVAL|X)\s*+)?'(?:[^']++|'')*+'"
    r"|\$[0-9]++|\?|(?i:NULL|TRUE|FALSE|DEFAULT))\s*+(?=[,)])"
)
_JOINED = rf"[^\s{re.escape(APART)}]"  # a character that would make the quote behind it a part of a name
# The order is the meaning: what comes first wins. (?P<row>) takes a bracket full of literals at once, because
# VALUES and IN lists may be long and can do no harm.
_PIECE: Final = re.compile(
    rf"(?P<row>\({_LITERAL}(?:,{_LITERAL})*+\))"
    rf"|(?P<string>(?<!{_JOINED})[eE]'(?:[^'\\]|\\.|'')*+(?:'|\Z)|'[^']*+(?:'|\Z))"
    r"|(?P<quoted>\"(?:[^\"]++|\"\")*+(?:\"|\Z))"
    r"|(?P<number>\$?[0-9][\w.]*+(?:(?<=[eE])[-+][0-9]++)?|\?)"
    r"|(?P<word>[^\W\d][\w$]*+)"
    r"|(?P<note>--[^\r\n]*+)"
    rf"|(?P<jump>/\*|(?<!{_JOINED})\$(?:[^\W\d]\w*)?\$)"
    r"|(?P<open>[(\[{])"
    r"|(?P<close>[)\]}])"
    r"|(?P<symbol>[,;.*]|\|>|-(?!-)|/(?!\*)|[<>=!~@#&|^%:+]+|[^\s\w])",
    re.DOTALL,
)


def check_text(sql: str, limits: GuardLimits) -> None:
    """Raises LimitExceeded (54001), naming the limit, for a text that the engine must not see."""
    if len(sql) > limits.text_bytes_max or len(sql.encode(errors="replace")) > limits.text_bytes_max:
        raise over_limit("bytes of text", limits.text_bytes_max, "load many rows by bulk ingest or bound parameters")
    scan = Scan(limits)
    for piece, text in _pieces(sql):
        scan.take(piece, text)
    scan.end_statement()


def _pieces(sql: str) -> Iterator[tuple[Piece, str]]:
    """Words, operands, brackets and symbols in order; comments left out, strings whole."""
    at = 0
    while True:
        jump: re.Match[str] | None = None
        for match in _PIECE.finditer(sql, at):
            group = match.lastgroup
            if group == "jump":
                jump = match
                break
            if group != "note":
                yield _GROUPS[group or ""], match[0]
        if jump is None:
            return
        if jump[0] == "/*":
            at = comment_end(sql, jump.end())
        else:
            yield Piece.OPERAND, "$$"
            end = sql.find(jump[0], jump.end())
            at = end + len(jump[0]) if end >= 0 else len(sql)


_GROUPS: Final = {
    "row": Piece.OPERAND,
    "string": Piece.OPERAND,
    "number": Piece.OPERAND,
    "quoted": Piece.QUOTED,
    "word": Piece.WORD,
    "open": Piece.OPEN,
    "close": Piece.CLOSE,
    "symbol": Piece.SYMBOL,
}
