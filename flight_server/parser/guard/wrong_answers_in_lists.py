"""`x NOT IN (1, 2) OR x NOT IN (3, 4)`: the engine makes "always" of it when no value is in both lists, and so takes
rows whose x is NULL, too. However NOT, AND and OR are spread over brackets, a pair of lists that comes to that is
refused: no answer is better than a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from flight_server.parser.text.lexer import Token, TokenKind
from storage.errors import NotSupported

LISTS_MAX: Final = 64  # of one text that are compared with each other
_QUERY_STARTS: Final = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "("})


@dataclass(frozen=True, slots=True)
class _List:
    """`operand [NOT] IN (values)`; nots: for each bracket around it, outermost first, whether NOT is before it."""

    operand: str
    is_negated: bool
    values: frozenset[str]
    nots: tuple[bool, ...]
    start: int
    end: int


def refuse_disjoint_lists(tokens: Sequence[Token]) -> None:
    """Raises NotSupported with another way to write it."""
    if sum(token.key == "IN" for token in tokens) < 2:
        return
    for one, other in combinations(list(_lists(tokens))[:LISTS_MAX], 2):
        if one.operand == other.operand and not one.values & other.values and _excludes_nothing(tokens, one, other):
            raise NotSupported(
                f"NOT IN of two lists without a common value, joined by OR, is not supported for '{one.operand}': "
                f"it is true for every value; write {one.operand} IS NOT NULL"
            )


def _excludes_nothing(tokens: Sequence[Token], one: _List, other: _List) -> bool:
    """Whether both come to NOT IN and what joins them to OR, once every NOT is moved to where it belongs."""
    depth = lowest = len(one.nots)
    joined: set[str] = set()
    for token in tokens[one.end : other.start]:
        depth += (token.key == "(") - (token.key == ")")
        if depth < lowest:
            lowest, joined = depth, set()
        if depth == lowest and token.key in ("AND", "OR"):
            joined.add(token.key)
    around = sum(one.nots[:lowest]) % 2 == 1
    negated = [(found.is_negated + sum(found.nots)) % 2 == 1 for found in (one, other)]
    loosest = "OR" if "OR" in joined else "AND"  # an AND beside an OR only binds what is around one of the two
    return all(negated) and loosest == ("AND" if around else "OR")


def _lists(tokens: Sequence[Token]) -> Iterator[_List]:
    nots: list[bool] = []
    for at, token in enumerate(tokens):
        if token.key == "(":
            nots.append(at > 0 and tokens[at - 1].key == "NOT")
        elif token.key == ")" and nots:
            nots.pop()
        elif token.key == "IN" and at + 2 < len(tokens) and tokens[at + 1].key == "(":
            found = _list_at(tokens, at, tuple(nots))
            if found is not None:
                yield found


def _list_at(tokens: Sequence[Token], at: int, nots: tuple[bool, ...]) -> _List | None:
    """None where it is not a name in a list of values."""
    negated = at > 0 and tokens[at - 1].key == "NOT"
    operand = at - 1 - negated
    if operand < 0 or tokens[operand].kind not in (TokenKind.WORD, TokenKind.QUOTED):
        return None
    if tokens[at + 2].key in _QUERY_STARTS:
        return None
    before = operand - 1
    while before > 0 and tokens[before].key == ".":
        before -= 2  # t.x
    negated ^= before >= 0 and tokens[before].key == "NOT"
    values, end = _values(tokens, at + 2)
    return _List(tokens[operand].value.lower(), bool(negated), values, nots, operand, end)


def _values(tokens: Sequence[Token], at: int) -> tuple[frozenset[str], int]:
    """The texts between the commas, and where the list ends."""
    values: set[str] = set()
    value: list[str] = []
    depth = 1
    while at < len(tokens):
        key = tokens[at].key
        depth += (key == "(") - (key == ")")
        if depth == 0 or (depth == 1 and key == ","):
            values.add(" ".join(value))
            value = []
        else:
            value.append(tokens[at].value)
        at += 1
        if depth == 0:
            break
    return frozenset(values), at
