"""Equalities within one table beside windows: `WHERE k = id`, from which the engine derives orders that do not hold.

As `(k = id) IS TRUE` they choose the same rows, and nothing is derived from them.
"""

from __future__ import annotations

from sqlglot import exp

from flight_server.rewrite.blocks import Blocks


def hide_equalities(blocks: Blocks) -> None:
    """Those that are no join of two tables."""
    for block in blocks.all:
        for clause in ("where", "having"):
            condition = block.select.args.get(clause)
            for found in list(condition.find_all(exp.EQ)) if condition is not None else ():
                columns = [list(side.find_all(exp.Column)) for side in (found.this, found.expression)]
                sources = {id(meaning[1]) for one in (*columns[0], *columns[1]) if (meaning := blocks.meaning(one))}
                if found.find_ancestor(exp.Select) is block.select and all(columns) and len(sources) == 1:
                    found.replace(exp.Paren(this=exp.Is(this=exp.Paren(this=found.copy()), expression=exp.true())))
