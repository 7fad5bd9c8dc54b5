"""Pieces hold a query's text as a tree, which says what may be left out and what may stand in its place.

`text` writes it for one side, `smaller` gives every query that is one step simpler. A step may make nonsense (a column
of a table that is gone): both sides refuse it then, and whoever shrinks goes on with the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias


class Side(StrEnum):
    OURS = "Frostline"
    THEIRS = "DuckDB"


@dataclass(frozen=True, slots=True)
class Either:
    """What the two dialects write differently."""

    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Parts in a row.

    between: stands between two parts
    least:   parts that have to stay, None for all of them; with none left, nothing is written
    lead:    stands in front, `trail` behind
    simpler: each may stand for the whole
    """

    parts: tuple[Part, ...]
    between: str = ""
    least: int | None = None
    lead: str = ""
    trail: str = ""
    simpler: tuple[Part, ...] = ()


Part: TypeAlias = "str | Either | Piece"
_BLANK = re.compile(r"\{(\w+)\}")


def row(*parts: Part, simpler: Iterable[Part] = ()) -> Piece:
    return Piece(parts, simpler=tuple(simpler))


def maybe(*parts: Part) -> Piece:
    """All of it or nothing."""
    return Piece((row(*parts),), least=0)


def listed(parts: Iterable[Part], least: int = 1, lead: str = "", trail: str = "") -> Piece:
    return Piece(tuple(parts), ", ", least, lead, trail)


def all_of(parts: Iterable[Part], lead: str = "", least: int = 0) -> Piece:
    """Conditions with AND between them."""
    return Piece(tuple(parts), " AND ", least, lead)


def filled(template: str, simpler: Iterable[Part] = (), **parts: Part) -> Piece:
    """The template with parts for its {blanks}."""
    cut = _BLANK.split(template)
    return row(*(parts[text] if at % 2 else text for at, text in enumerate(cut) if text), simpler=simpler)


def text(part: Part, side: Side) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Either):
        return part.ours if side is Side.OURS else part.theirs
    if part.least is not None and not part.parts:
        return ""
    return part.lead + part.between.join(text(each, side) for each in part.parts) + part.trail


def smaller(part: Part) -> Iterator[Part]:
    """Every part that is one step simpler, the larger steps first."""
    if not isinstance(part, Piece):
        return
    yield from part.simpler
    parts = part.parts
    if part.least is not None:
        spare = len(parts) - part.least
        if spare > 1:
            yield replace(part, parts=parts[: part.least])
        if spare > 0:
            yield from (replace(part, parts=parts[:at] + parts[at + 1 :]) for at in range(len(parts)))
    for at, each in enumerate(parts):
        yield from (replace(part, parts=(*parts[:at], less, *parts[at + 1 :])) for less in smaller(each))
