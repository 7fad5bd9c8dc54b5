"""The unit of TIME(p) and TIMESTAMP(p): Arrow has four, and p digits take the coarsest that holds them."""

from __future__ import annotations

from typing import Final

from storage.errors import InvalidRequest
from storage.whole_numbers import whole_number

DIGITS_OF_UNITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def unit_of_precision(digits: str | int) -> str:
    """The coarsest unit with at least so many digits. Raises InvalidRequest (22023)."""
    wanted = digits if isinstance(digits, int) else whole_number(digits)
    unit = next((unit for unit, held in DIGITS_OF_UNITS.items() if wanted is not None and 0 <= wanted <= held), None)
    if unit is None:
        raise InvalidRequest(f"a precision of {digits} is not allowed: use 0 to 9 digits of a second")
    return unit
