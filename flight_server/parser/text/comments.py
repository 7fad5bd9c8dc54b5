"""Comments: where they end, as lexer and guard must both have it. `/* .. */` nest, `-- ..` ends with its line."""

from __future__ import annotations

import re
from typing import Final

_EDGE: Final = re.compile(r"/\*|\*/")
_BLANKS_OR_LINE: Final = re.compile(r"\s+|--[^\r\n]*+")


def comment_end(text: str, at: int) -> int:
    """Where the comment ends whose opening ends at `at`; the end of the text if it does not."""
    depth = 1
    for edge in _EDGE.finditer(text, at):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def is_blank(text: str, start: int, end: int) -> bool:
    """Are there only white space and whole comments from `start` to `end`?"""
    while start < end:
        found = _BLANKS_OR_LINE.match(text, start)
        if found is not None:
            start = found.end()
        elif text.startswith("/*", start):
            start = comment_end(text, start + 2)
        else:
            return False
    return start == end
