"""Casts that are part of a name: the engine leaves them out of names, so sum(k) and sum(CAST(k ..)) are one to it."""

from __future__ import annotations

from itertools import count

from sqlglot import exp

from flight_server.rewrite.blocks import Blocks
from flight_server.rewrite.dialect import written
from flight_server.rewrite.names import call


def tell_casts_apart(blocks: Blocks) -> None:
    """Each cast goes into a coalesce with as many NULLs as tell its type from all others."""
    widths: dict[str, int] = {}
    numbers = count(1)
    for block in blocks.all:
        casts = [
            node
            for node in block.select.find_all(exp.Cast, exp.TryCast)
            if node.find_ancestor(exp.Select) is block.select
        ]
        for cast in casts:
            if isinstance(cast.this, exp.Literal):
                continue
            kind = f"{type(cast).__name__} {written(cast.args['to']).lower()}"
            width = widths.get(kind) or next(numbers)
            widths[kind] = width
            cast.replace(call("coalesce", cast.copy(), *[exp.null() for _ in range(width)]))
