"""Texts that make a pattern try again and again: its own beginnings and what it repeats, many times over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parse  # type: ignore[attr-defined]
from typing import Any

NOT_THERE = "\0"  # what no pattern ends with
BRANCHES_MAX = 6
_CLASSES = {
    sre.CATEGORY_DIGIT: "1",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_WORD: "x",
    sre.CATEGORY_NOT_DIGIT: "x",
    sre.CATEGORY_NOT_SPACE: "x",
    sre.CATEGORY_NOT_WORD: "-",
}
_LIKELY = "x1 -'\"(.,=/:\\$[\n_"


def pumped(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """(head, piece): a text is the head, the piece repeated, and NOT_THERE."""
    seen = set()
    for items in _alternatives(list(sre_parse.parse(pattern.pattern, pattern.flags & ~re.UNICODE))):
        heads = [""]
        for item in items:
            for piece in _repeated(item):
                for head in (*heads, ""):
                    seen.add((head, piece))
            heads = [head + sample for head in heads for sample in _samples(item)][:BRANCHES_MAX]
            seen |= {("", head) for head in heads if head}
    yield from sorted(seen)


def _alternatives(items: list[Any]) -> list[list[Any]]:
    """A pattern that is a choice, or a group, as a whole has several beginnings."""
    if len(items) == 1 and items[0][0] is sre.BRANCH:
        return [way for branch in items[0][1][1] for way in _alternatives(list(branch))]
    if len(items) == 1 and items[0][0] is sre.SUBPATTERN:
        return _alternatives(list(items[0][1][3]))
    return [items]


def _repeated(item: Any) -> Iterator[str]:
    """Samples of what stands in a repetition without an end, wherever in the item."""
    kind, value = item
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        _, most, inner = value
        if most is sre.MAXREPEAT:
            yield from _of_sequence(list(inner))
        for one in inner:
            yield from _repeated(one)
    elif kind is sre.SUBPATTERN:
        for one in value[3]:
            yield from _repeated(one)
    elif kind is sre.BRANCH:
        for branch in value[1]:
            for one in branch:
                yield from _repeated(one)
    elif kind is sre.ATOMIC_GROUP:
        for one in value:
            yield from _repeated(one)


def _of_sequence(items: Sequence[Any]) -> list[str]:
    found = [""]
    for item in items:
        found = [head + sample for head in found for sample in _samples(item)][:BRANCHES_MAX]
    return [text for text in found if text]


def _samples(item: Any) -> list[str]:
    """Some texts that the item takes; at least one, "" for what takes no characters."""
    kind, value = item
    if kind is sre.LITERAL:
        return [chr(value)]
    if kind is sre.NOT_LITERAL:
        return [next(c for c in _LIKELY if ord(c) != value)]
    if kind is sre.ANY:
        return ["x"]
    if kind is sre.IN:
        return _of_set(value)
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        least, _, inner = value
        return [one * max(least, 1) for one in _of_sequence(list(inner)) or [""]]
    if kind is sre.SUBPATTERN:
        return _of_sequence(list(value[3])) or [""]
    if kind is sre.ATOMIC_GROUP:
        return _of_sequence(list(value)) or [""]
    if kind is sre.BRANCH:
        return [one for branch in value[1] for one in _of_sequence(list(branch))][:BRANCHES_MAX] or [""]
    return [""]  # borders, looks ahead and behind, references


def _of_set(members: Sequence[Any]) -> list[str]:
    if members[0][0] is sre.NEGATE:
        found = [c for c in _LIKELY if not any(_has(member, c) for member in members[1:])]
        return found[:2] or ["é"]
    found = []
    for kind, value in members:
        if kind is sre.LITERAL:
            found.append(chr(value))
        elif kind is sre.RANGE:
            found.append(chr(value[0]))
        elif kind is sre.CATEGORY:
            found.append(_CLASSES[value])
    return found[:3]


def _has(member: Any, character: str) -> bool:
    kind, value = member
    if kind is sre.LITERAL:
        return bool(ord(character) == value)
    if kind is sre.RANGE:
        return bool(value[0] <= ord(character) <= value[1])
    return bool(_CLASSES.get(value) == character)
