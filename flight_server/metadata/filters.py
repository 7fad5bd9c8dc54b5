"""Filters of metadata commands are matched here and never put into SQL.

A pattern is LIKE's: `%` any text, `_` one character, `\\` takes the next character as it is. A filter that is
not given (None) lets all through; an empty catalog means "objects without a catalog", of which there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from typing import Final

from storage.catalog.names import CATALOG

ESCAPE: Final = "\\"


class _Wild(Enum):
    ONE = "_"
    ANY = "%"


_Token = str | _Wild


def like(pattern: str | None) -> Callable[[str], bool]:
    """Whether a whole name matches `pattern`. At most len(name) x len(pattern) steps, for hostile ones too."""
    if pattern is None:
        return lambda _: True
    tokens = _tokens(pattern)
    shortest = sum(token is not _Wild.ANY for token in tokens)
    return lambda name: len(name) >= shortest and _matches(name, tokens)


def like_one_of(pattern: str | None, names: Collection[str]) -> Callable[[str], bool]:
    """As `like`; but a pattern in capitals that fits none of the names is taken without regard to case: the JDBC driver
    says that unquoted names are stored in capitals, whatever it was told, and frameworks ask for such."""
    fits = like(pattern)
    if pattern is None or not pattern.isupper() or any(fits(name) for name in names):
        return fits
    folded = like(pattern.casefold())
    return lambda name: folded(name.casefold())


def is_our_catalog(catalog: str | None) -> bool:
    """Exact, not a pattern; but also in capitals, see `like_one_of`."""
    return catalog in (None, CATALOG, CATALOG.upper())


def _tokens(pattern: str) -> list[_Token]:
    tokens: list[_Token] = []
    characters = iter(pattern)
    for character in characters:
        if character == ESCAPE:
            tokens.append(next(characters, ESCAPE))  # a lone escape at the end stands for itself
        elif character == "_":
            tokens.append(_Wild.ONE)
        elif character != "%":
            tokens.append(character)
        elif not tokens or tokens[-1] is not _Wild.ANY:
            tokens.append(_Wild.ANY)
    return tokens


def _matches(name: str, tokens: list[_Token]) -> bool:
    """Go on as long as it fits; where it does not, let the last % take one character more."""
    at = token = 0
    last_any, resume_at = -1, 0
    while at < len(name):
        wanted = tokens[token] if token < len(tokens) else None
        if wanted is _Wild.ANY:
            last_any, resume_at = token, at
            token += 1
        elif wanted is _Wild.ONE or wanted == name[at]:
            at += 1
            token += 1
        elif last_any >= 0:
            resume_at += 1
            at, token = resume_at, last_any + 1
        else:
            return False
    return all(rest is _Wild.ANY for rest in tokens[token:])
