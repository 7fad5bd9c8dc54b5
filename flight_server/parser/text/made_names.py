"""Made names: how a statement's text tells the catalog which rows of a table it means. No user's name is like them.

    _frostline_v<seq>_<table>    the table as of that version
    _frostline_rows_<table>      the target of a change, with its system columns

Views that older servers stored say `<table>@v<seq>`: they are read as they were meant, see `old_version_of`.
"""

from __future__ import annotations

import re
from typing import Final

from storage.catalog.names import RESERVED_PREFIX

_ROWS: Final = f"{RESERVED_PREFIX}_rows_"
_VERSION: Final = re.compile(rf"{RESERVED_PREFIX}_v([0-9]{{1,19}})_(.+)", re.DOTALL)
_OLD_VERSION: Final = re.compile(r"(.+)@v([0-9]{1,19})", re.DOTALL)


def version_name(table: str, seq: int) -> str:
    """Inverse of `version_of`."""
    return f"{RESERVED_PREFIX}_v{seq}_{table}"


def version_of(name: str) -> tuple[str, int] | None:
    """(table, seq); None for the name of a table."""
    found = _VERSION.fullmatch(name)
    return None if found is None else (found[2], int(found[1]))


def old_version_of(name: str) -> tuple[str, int] | None:
    """As `version_of`, for a name in a view; there may be a table that is called so."""
    found = _OLD_VERSION.fullmatch(name)
    return None if found is None else (found[1], int(found[2]))


def rows_name(table: str) -> str:
    """Inverse of `rows_of`."""
    return _ROWS + table


def rows_of(name: str) -> str | None:
    """The table; None for the name of a table."""
    return name.removeprefix(_ROWS) if name.startswith(_ROWS) else None
