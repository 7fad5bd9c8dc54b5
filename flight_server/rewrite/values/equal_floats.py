"""Equal floats replace bits in IN lists, nullif and CASE d WHEN, where -0.0 is not 0.0 to the engine."""

from __future__ import annotations

import pyarrow as pa
from sqlglot import exp

from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import is_call
from flight_server.rewrite.values.floats import normal


def mend_equal_floats(blocks: Blocks) -> None:
    """Operand and list of IN with one zero and one NaN; nullif and CASE d WHEN as comparisons."""
    for block in blocks.all:
        operands = [(node, operand) for node in _comparing(block) for operand in [_operand(node)]]
        kinds = blocks.types(block, [operand for _, operand in operands], grouped=True)
        for (node, operand), kind in zip(operands, kinds, strict=True):
            if kind is not None and pa.types.is_floating(kind):
                _mend(node, operand)


def _comparing(block: Block) -> list[Tree]:
    found = block.select.find_all(exp.In, exp.Case, exp.Anonymous)
    return [node for node in found if node.find_ancestor(exp.Select) is block.select and _compares_bits(node)]


def _compares_bits(node: Tree) -> bool:
    if isinstance(node, exp.In):
        return bool(node.expressions)
    if isinstance(node, exp.Case):
        return node.this is not None
    return is_call(node, "nullif") and len(node.expressions) == 2 and not isinstance(node.expressions[1], exp.Null)


def _operand(node: Tree) -> Tree:
    return node.expressions[0] if isinstance(node, exp.Anonymous) else node.this


def _mend(node: Tree, operand: Tree) -> None:
    if isinstance(node, exp.In):
        node.set("this", normal(operand.copy()))
        node.set("expressions", [normal(one.copy()) for one in node.expressions])
    elif isinstance(node, exp.Case):
        for branch in node.args["ifs"]:
            branch.set("this", _equal(operand, branch.this))
        node.set("this", None)
    else:
        equal = exp.If(this=_equal(operand, node.expressions[1]), true=exp.null())
        node.replace(exp.Case(ifs=[equal], default=operand.copy()))


def _equal(one: Tree, other: Tree) -> Tree:
    return exp.EQ(this=normal(one.copy()), expression=normal(other.copy()))
