"""Equality hiding writes conditions within one table, `k = id` or `k IN (id)`, so that they give no order: the engine
derives orders from them that do not hold where rows come from several places.

As `(k = id) IS TRUE` they choose the same rows, and nothing is derived from them.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from flight_server.rewrite.tree.blocks import Block, Blocks, Source
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import conjuncts

_COMPARISONS: Final = (
    exp.EQ, exp.NEQ, exp.GTE, exp.LTE, exp.In, exp.Between, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is,
)  # fmt: skip


def hide_equalities(blocks: Blocks) -> None:
    """Those of WHERE, HAVING and ON; not those that join two tables."""
    for block in blocks.all:
        clauses = [block.select.args.get("where"), block.select.args.get("having")]
        clauses += [join.args.get("on") for join in block.select.args.get("joins") or []]
        for one in [one for clause in clauses for one in conjuncts(clause)]:
            if _may_equate(blocks, block, one):
                one.replace(exp.Paren(this=exp.Is(this=exp.Paren(this=one.copy()), expression=exp.true())))


def _may_equate(blocks: Blocks, block: Block, condition: Tree) -> bool:
    """Whether it compares columns of one source of the block with each other."""
    if condition.find(exp.Select) is not None or isinstance(condition.unnest(), exp.Is):
        return False
    return any(_is_within_one(blocks, block, found) for found in condition.find_all(*_COMPARISONS))


def _is_within_one(blocks: Blocks, block: Block, comparison: Tree) -> bool:
    left = list(comparison.this.find_all(exp.Column))
    every = list(comparison.find_all(exp.Column))
    return 0 < len(left) < len(every) and len({_source(blocks, block, one) for one in every}) == 1


def _source(blocks: Blocks, block: Block, column: exp.Column) -> Source | None:
    """None for one of another block, or of the result."""
    meaning = blocks.meaning(column)
    return meaning[1] if meaning is not None and meaning[0] is block else None
