"""Field guards read fields of structs that a CASE made NULL as NULL, where the engine reads what lies beneath.

`s['a']` becomes `CASE WHEN s IS NOT NULL THEN s['a'] END`.
"""

from __future__ import annotations

import pyarrow as pa
from sqlglot import exp

from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import bracketed, folded, is_call


def mend_fields(blocks: Blocks) -> None:
    """Every access to a field or a key, the outermost first, so that each NULL on the way is asked for."""
    for block in blocks.all:
        accesses = [(node, _operand(blocks, node)) for node in _accesses(blocks, block)]
        kinds = blocks.types(block, [operand for _, operand in accesses], grouped=True)
        for (node, operand), kind in zip(accesses, kinds, strict=True):
            if kind is not None and pa.types.is_nested(kind):
                there = exp.Not(this=exp.Is(this=bracketed(operand.copy()), expression=exp.null()))
                node.replace(exp.Paren(this=exp.Case(ifs=[exp.If(this=there, true=node.copy())])))


def _accesses(blocks: Blocks, block: Block) -> list[Tree]:
    found = block.select.find_all(exp.Bracket, exp.Dot, exp.Anonymous, exp.Column)
    own = [node for node in found if node.find_ancestor(exp.Select) is block.select]
    return [node for node in own if _is_access(blocks, node)]


def _is_access(blocks: Blocks, node: Tree) -> bool:
    if isinstance(node, exp.Column):
        return _is_field(blocks, node)
    if isinstance(node, exp.Anonymous):
        return is_call(node, "get_field") and len(node.expressions) == 2
    return isinstance(node, exp.Dot) or not isinstance(node.expressions[0], exp.Slice)


def _is_field(blocks: Blocks, node: exp.Column) -> bool:
    """`s.a`, where s is a column and no table."""
    table = folded(node.args.get("table"))
    meaning = blocks.meaning(node) if table and not isinstance(node.this, exp.Star) else None
    return meaning is not None and meaning[1].alias != table


def _operand(blocks: Blocks, node: Tree) -> Tree:
    if isinstance(node, exp.Column):
        return exp.Column(this=node.args["table"].copy(), table=node.args["db"].copy() if node.args.get("db") else None)
    return node.expressions[0] if isinstance(node, exp.Anonymous) else node.this
