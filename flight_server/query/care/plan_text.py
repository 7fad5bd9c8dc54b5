"""Plan text functions find in the text of a raw plan what risks are known by, each in one pass.

Texts and names of the caller stand in there as they were written, a megabyte long if need be: nothing here may begin
again at each place where a word of the engine's stands.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

NAMES_MAX: Final = 1000  # of columns to look for one by one; where there are more, the risk is taken to be there
_BY: Final = re.compile(r"(?:PARTITION|ORDER) BY \[")
_SETS: Final = re.compile(r"\b(?:ROLLUP|CUBE|GROUPING SETS) \(")
_GROUPS, _GROUPS_END = "groupBy=[[", "]], aggr="
_OF_CAST: Final = "(CAST("
_CALL_OF_CAST: Final = re.compile(r"(?<!\w)\w++(?=\(CAST\()")
_AS: Final = re.compile(r" AS (\w++)")
_CAST: Final = re.compile(r"\bCAST\((?!\?table\?)")
_AS_NO_TEXT: Final = re.compile(r" AS (?!Utf8|LargeUtf8)\w++")
_DIVISION: Final = re.compile(r"[/%] (?![A-Z]\w*+\()")
_CASE_BEGINS: Final = re.compile(r"(?:WHEN|THEN|ELSE) ")
_CASE_ENDS: Final = re.compile(r"\b(?:WHEN|THEN|ELSE|END)\b")


def sort_keys(text: str) -> Iterator[str]:
    """What stands in the brackets of PARTITION BY and ORDER BY."""
    at = 0
    while (by := _BY.search(text, at)) is not None:
        end = text.find("]", by.end())
        if end < 0:
            return
        yield text[by.end() : end]
        at = end + 1


def has_many_sets(text: str) -> bool:
    """Whether a node groups by ROLLUP, CUBE or GROUPING SETS."""
    starts = ((line, line.find(_GROUPS)) for line in text.split("\n"))
    return any(at >= 0 and _SETS.search(line, at) is not None for line, at in starts)


def has_cast_key(text: str) -> bool:
    """Whether a node groups by a cast."""
    at = text.find(_GROUPS)
    while at >= 0:
        end = text.find(_GROUPS_END, at)
        if "CAST" in text[at : end if end >= 0 else len(text)]:
            return True
        at = text.find(_GROUPS, end) if end >= 0 else -1
    return False


def cast_calls(line: str) -> set[tuple[str, str, str]]:
    """(function, what is cast, type) of each call of a cast."""
    found = set()
    skipped = len(_OF_CAST)
    for call, end in _pairs(list(_CALL_OF_CAST.finditer(line)), list(_AS.finditer(line)), least=skipped + 1):
        found.add((call[0], line[call.end() + skipped : end.start()], end[1]))
    return found


def casts(text: str) -> Iterator[str]:
    """Each cast to anything but a text, from its name to its type."""
    for line in text.split("\n"):
        for cast, end in _pairs(list(_CAST.finditer(line)), list(_AS_NO_TEXT.finditer(line))):
            yield line[cast.start() : end.end()]


def has_cast(text: str) -> bool:
    """Whether there is any of `casts`."""
    return next(casts(text), None) is not None


def divides(text: str) -> bool:
    """Whether something is divided by what is no literal."""
    return _DIVISION.search(text) is not None


def divides_in_case(text: str) -> bool:
    """Whether that stands behind WHEN, THEN or ELSE."""
    return any(
        _is_within_case(line, [one.start() for one in _DIVISION.finditer(line)])
        for line in text.split("\n")
        if _CASE_BEGINS.search(line)
    )


def casts_in_case(text: str) -> bool:
    """Whether a cast to anything but a text stands behind WHEN, THEN or ELSE."""
    for line in text.split("\n"):
        last = max((end.start() for end in _AS_NO_TEXT.finditer(line)), default=-1)
        if _is_within_case(line, [cast.start() for cast in _CAST.finditer(line) if cast.end() <= last]):
            return True
    return False


def _pairs(
    starts: Sequence[re.Match[str]], ends: Sequence[re.Match[str]], least: int = 0
) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """Each start with the first end behind it, `least` characters in between; none inside of another pair."""
    at, waiting = 0, iter(ends)
    end = next(waiting, None)
    for start in starts:
        while end is not None and end.start() < start.end() + least:
            end = next(waiting, None)
        if end is None:
            return
        if start.start() >= at:
            yield start, end
            at = end.end()


def _is_within_case(line: str, places: Sequence[int]) -> bool:
    """Whether one of the places, which rise, is in an arm of a CASE."""
    if not places:
        return False
    for first, last in _arms(line):
        at = bisect_left(places, first)
        if at < len(places) and places[at] <= last:
            return True
    return False


def _arms(line: str) -> Iterator[tuple[int, int]]:
    """From behind WHEN, THEN or ELSE to the next word of the CASE."""
    at = 0
    while (begin := _CASE_BEGINS.search(line, at)) is not None:
        end = _CASE_ENDS.search(line, begin.end())
        yield begin.end(), len(line) if end is None else end.start()
        if end is None:
            return
        at = end.start()
