"""PostgreSQL's patterns of to_char, to_timestamp and to_date as chrono's, which the engine knows: YYYY-MM as %Y-%m.

A pattern with a `%` is chrono's and stays. What chrono can't write as PostgreSQL does (Month, padded to nine places;
MON; ordinals) is refused: the engine would give the pattern's own text.
"""

from __future__ import annotations

import re
from typing import Final

from storage.errors import InvalidRequest

# Upper and lower case mean the same here.
_NUMBERS: Final = {
    "YYYY": "%Y", "YY": "%y", "IYYY": "%G", "IY": "%g", "MM": "%m", "DDD": "%j", "DD": "%d", "IW": "%V", "ID": "%u",
    "HH24": "%H", "HH12": "%I", "HH": "%I", "MI": "%M", "SS": "%S", "MS": "%3f", "US": "%6f", "TZH:TZM": "%:z",
    "FMMM": "%-m", "FMDDD": "%-j", "FMDD": "%-d", "FMHH24": "%-H", "FMHH12": "%-I", "FMHH": "%-I", "FMMI": "%-M",
    "FMSS": "%-S", "FMYYYY": "%-Y", "FMYY": "%-y",
    "Q": "%q",
}  # fmt: skip
_NAMES: Final = {
    "Mon": "%b", "FMMon": "%b", "FMMonth": "%B", "Dy": "%a", "FMDy": "%a", "FMDay": "%A", "AM": "%p", "PM": "%p",
    "am": "%P", "pm": "%P",
}  # fmt: skip
_READ_ONLY: Final = {"Month": "%B", "Day": "%A"}  # padded when written
_NEVER: Final = ("SSSSS", "SSSS")  # seconds of the day, which begin like SS
_PARTS: Final = re.compile(
    r'"([^"]*)"|('
    + "|".join(sorted({*_NUMBERS, *_NAMES, *_READ_ONLY, *_NEVER}, key=len, reverse=True))
    + r")|([^A-Za-z0-9])|(T(?=(?:fm)?hh))|(.[A-Za-z0-9]*)",
    re.IGNORECASE | re.DOTALL,
)


def chrono_pattern(pattern: str, *, is_read: bool) -> str:
    """`is_read`: to read texts by, not to write them. Raises InvalidRequest (22023), naming what can't be written."""
    if "%" in pattern:
        return pattern
    return "".join(_part(found, pattern, is_read=is_read) for found in _PARTS.finditer(pattern))


def _part(found: re.Match[str], pattern: str, *, is_read: bool) -> str:
    quoted_text, word, sign, letter, unknown = found.groups()
    if word is not None:
        names = _NAMES | _READ_ONLY if is_read else _NAMES
        known = names.get(word) or _NUMBERS.get(word.upper())
        if known is not None:
            return known
    if word is not None or unknown is not None:
        raise InvalidRequest(
            f"'{word or unknown}' in the pattern '{pattern[:60]}' is not supported: use FMMonth, Mon, FMDay, Dy, IW, "
            "MS, US, put other texts in double quotes, or write a pattern of chrono's, as '%Y-%m-%d %H:%M:%S'",
            sqlstate="22023",
        )
    return quoted_text if quoted_text is not None else sign or letter or ""
