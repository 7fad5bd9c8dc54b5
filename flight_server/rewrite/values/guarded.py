"""Guarded operands are NULL where a condition has settled the answer without them, so that nothing fails there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlglot import exp

from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.fallible import fallible
from flight_server.rewrite.tree.names import all_of, any_of

_GUARDED_MAX: Final = 4  # operands that guard others though guarded themselves: each is written out in all that follow


def guard_each(operands: list[Tree], others: Sequence[Tree] = (), *, is_and: bool = True) -> None:
    """Of one AND or OR: each operand by those that can't fail, by those to its left, and by `others`."""
    guards = [*others, *sure(operands)]
    room = _GUARDED_MAX
    for one in operands:
        failing = fallible(one)
        if not failing:
            continue
        guard(failing, guards, is_and=is_and)
        if room and one.find(exp.Select) is None:
            guards.append(one.copy())
            room -= 1


def sure(conditions: Iterable[Tree]) -> list[Tree]:
    """Copies of those that can be computed for any row."""
    return [one.copy() for one in conditions if not fallible(one) and one.find(exp.Select) is None]


def guard(failing: list[Tree], guards: Sequence[Tree], *, is_and: bool = True) -> None:
    """NULL where one of the guards is FALSE (of an AND) or TRUE (of an OR)."""
    if not failing or not guards:
        return
    joined = all_of([one.copy() for one in guards]) if is_and else any_of([one.copy() for one in guards])
    settled = exp.Is(this=exp.Paren(this=joined), expression=exp.false() if is_and else exp.true())
    null_unless(failing, exp.Not(this=settled))


def null_unless(failing: list[Tree], condition: Tree) -> None:
    """NULL unless the condition is TRUE."""
    for operand in failing:
        operand.replace(exp.Paren(this=exp.Case(ifs=[exp.If(this=condition.copy(), true=operand.copy())])))
