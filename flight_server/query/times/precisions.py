"""The unit of TIME(p) and TIMESTAMP(p): Arrow has four, and p digits take the coarsest that holds them."""

from __future__ import annotations

from typing import Final

from storage.errors import InvalidRequest

DIGITS_OF_UNITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def unit_of_precision(digits: str | int) -> str:
    """The coarsest unit with at least so many digits. Raises InvalidRequest (22023)."""
    wanted = int(digits) if isinstance(digits, int) or (digits.isdecimal() and len(digits) < 3) else -1
    unit = next((unit for unit, held in DIGITS_OF_UNITS.items() if 0 <= wanted <= held), None)
    if unit is None:
        raise InvalidRequest(f"a precision of {digits} is not allowed: use 0 to 9 digits of a second")
    return unit
