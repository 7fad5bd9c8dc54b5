"""Name checks find a table that is named with its namespace, and an alias or column of the same name beside it.

The engine takes `shop.a.id` for the column of whatever is called `a` nearest by, be it an alias of another table.
"""

from __future__ import annotations

import re
from typing import Final

from storage.catalog.names import folded

# Each name is tried once, where it begins, and never given back: a long one takes time by its length, not its square.
_NAME: Final = r"(?:(?<!\w)\w++|\"[^\"]++\")"
_DOT: Final = r"\s*+\.\s*+"
_IN_FULL: Final = re.compile(rf"{_NAME}{_DOT}({_NAME}){_DOT}(?:{_NAME}|\*)")
_ALONE: Final = re.compile(rf"(?<![\w.\"]){_NAME}(?!\s*+\.|[\w\"])")


def may_confuse_aliases(sql: str) -> bool:
    """By the text alone, so also where there is none."""
    tables = {_folded(found) for found in _IN_FULL.findall(sql)} if "." in sql else set()
    return bool(tables) and any(_folded(found) in tables for found in _ALONE.findall(sql))


def _folded(name: str) -> str:
    return name[1:-1] if name.startswith('"') else folded(name)
