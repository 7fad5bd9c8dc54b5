"""Written sizes are what a statement says itself: how long its texts are, and how wide its types. In one pass each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_TEXT_BEGINS: Final = re.compile(r"'(?:[^']|'')*+'|\$\w*+\$")
_TAG_AHEAD: Final = re.compile(r"(?=(\$\w*+\$))")
_WORD: Final = re.compile(r"\w++")
_NUMBER: Final = re.compile(r"\d++")
_SIZE_BEHIND_MAX: Final = 2  # words behind the type's name, of which one is the size


def texts_of(sql: str) -> Iterator[str]:
    """Texts in quotes, and between two tags of dollars; those in comments and names too."""
    last = {tag[1]: tag.start() for tag in _TAG_AHEAD.finditer(sql)}
    at = 0
    while (found := _TEXT_BEGINS.search(sql, at)) is not None:
        tag, at = found[0], found.end()
        if tag[0] == "'":
            yield tag
        elif last[tag] < at:  # nothing ends it: there may be another in it
            at = found.start() + 1
        else:
            at = sql.index(tag, at) + len(tag)
            yield sql[found.start() : at]


def fixed_sizes(shown: str) -> Iterator[str]:
    """The numbers of `FixedSizeList(3 x Int64)`, `FixedSizeBinary(16)` and the like, wherever they stand."""
    to_come = 0
    for word in _WORD.finditer(shown):
        number = _NUMBER.match(word[0]) if to_come else None
        if number is not None:
            yield number[0]
        is_name = "fixedsize" in word[0].casefold()
        to_come = _SIZE_BEHIND_MAX if is_name else 0 if number is not None else max(0, to_come - 1)
