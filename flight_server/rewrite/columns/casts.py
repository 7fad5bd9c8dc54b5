"""Casts are told apart by name: the engine leaves them out of names, so sum(k) and sum(CAST(k ..)) are one to it."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from flight_server.rewrite.tree.dialect import Tree, written
from flight_server.rewrite.tree.names import call

_WRAPPED: Final = "cast"  # meta of a nullif that was put around a cast


def tell_casts_apart(tree: Tree) -> None:
    """Each cast goes into as many `nullif(.., NULL)` as tell its type from all others. The engine sees through coalesce
    where nothing is NULL."""
    widths: dict[str, int] = {}
    for cast in list(tree.find_all(exp.Cast, exp.TryCast)):
        if isinstance(cast.this, exp.Literal):
            continue
        kind = f"{type(cast).__name__} {written(cast.args['to']).lower()}"
        width = widths.setdefault(kind, len(widths) + 1)
        wrapped: Tree = cast.copy()
        for _ in range(width):
            wrapped = call("nullif", wrapped, exp.null())
            wrapped.meta[_WRAPPED] = True
        cast.replace(wrapped)


def unwrapped(node: Tree) -> Tree:
    """A copy with the casts as they were."""
    whole = exp.Paren(this=node.copy())
    while (found := next((one for one in whole.find_all(exp.Anonymous) if one.meta.get(_WRAPPED)), None)) is not None:
        found.replace(found.expressions[0].copy())
    inner: Tree = whole.this
    inner.parent = None
    return inner
