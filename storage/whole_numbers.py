"""`whole_number` reads whole numbers in texts of clients: ASCII digits, not more of them than a BIGINT has.

Python reads much more than SQL does (digits of all scripts, 1_000), and refuses over 4,300 digits with an error that is
nobody's. So a text's length is looked at before it becomes a number; whether the number is in range, its reader knows.
"""

from __future__ import annotations

from typing import Final

DIGITS_MAX: Final = 19


def whole_number(text: str) -> int | None:
    """None for whatever is no such number, signs and blanks too; zeros in front do not count."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= DIGITS_MAX else None
