"""Packing takes long lists of literals out of a text while it is rewritten: nothing in them is of interest, and reading
them takes a thousand times as long as the engine needs for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

ITEMS_MIN: Final = 32
_LITERAL: Final = r"(?:[-+]?\d[\d.]*+(?:[eE][-+]?\d++)?|'(?:[^']|'')*+')"
_LIST: Final = re.compile(rf"(?<=\()\s*+{_LITERAL}(?:\s*+,\s*+{_LITERAL}){{{ITEMS_MIN - 1},}}+\s*+(?=\))")
_IN: Final = re.compile(r"\bIN\s*$", re.IGNORECASE)
_MINUS_ZERO: Final = re.compile(r"-\s*0(?:\.0*)?(?![\d.])")  # which may have to be looked at
_FIRST: Final = 7_310_000_000_000_000  # a number in place of each list; no author writes them


def packed(sql: str) -> tuple[str, Mapping[str, str]]:
    """The text with a number for each long list behind IN, and number -> list."""
    lists: dict[str, str] = {}

    def put_away(found: re.Match[str]) -> str:
        before = sql[max(0, found.start() - 16) : found.start() - 1]
        if _IN.search(before) is None or _MINUS_ZERO.search(found[0]) is not None:
            return found[0]
        number = str(_FIRST + len(lists))
        lists[number] = found[0]
        return number

    text = _LIST.sub(put_away, sql)
    return (sql, {}) if any(number in sql for number in lists) else (text, lists)


def unpacked(text: str, lists: Mapping[str, str]) -> str:
    for number, values in lists.items():
        text = text.replace(number, values)
    return text
