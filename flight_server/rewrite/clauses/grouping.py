"""Grouping keys that the engine knows to be constant are hidden: it takes its input for sorted, and repeats groups.

Each key becomes `CASE WHEN random() < 2 THEN key END`, which is the key, but nothing is known of it beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flight_server.rewrite.tree.aggregates import is_aggregate
from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree, written
from flight_server.rewrite.tree.names import call, is_call, number
from storage.whole_numbers import whole_number


def hide_constant_keys(blocks: Blocks) -> None:
    """In the blocks that have grouping sets, wherever the keys stand outside of aggregates."""
    for block in blocks.all:
        group = block.select.args.get("group")
        if group is not None and any(group.find(kind) for kind in (exp.Rollup, exp.Cube, exp.GroupingSets)):
            _hide(block, group)


def _hide(block: Block, group: exp.Group) -> None:
    keys = {written(key.unnest()): key for key in _keys(block, group)}
    _order_by_positions(block)
    for clause in ("expressions", "having", "order", "qualify", "group"):
        value = block.select.args.get(clause)
        for root in value if isinstance(value, list) else [value]:
            if root is not None:
                _replace(root, keys)


def _order_by_positions(block: Block) -> None:
    """What is selected is sorted by its place, as it is: the engine would compute it once more."""
    order = block.select.args.get("order")
    items = [written(item.unalias()) for item in block.select.expressions]
    for ordered in order.expressions if order is not None else ():
        if written(ordered.this) in items:
            ordered.set("this", number(items.index(written(ordered.this)) + 1))


def _replace(node: Tree, keys: dict[str, Tree]) -> None:
    if isinstance(node, exp.Select) or (is_aggregate(node) and not is_call(node, "grouping")):
        return
    if not isinstance(node, (exp.Alias, exp.Ordered, exp.Group)) and written(node) in keys and node.parent is not None:
        node.replace(_hidden(node))
        return
    for child in list(_children(node)):
        _replace(child, keys)


def _children(node: Tree) -> Iterator[Tree]:
    for value in node.args.values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, exp.Expr):
                yield one


def _hidden(key: Tree) -> Tree:
    always = exp.LT(this=call("random"), expression=number(2))
    return exp.Case(ifs=[exp.If(this=always, true=key.copy())])


def _keys(block: Block, group: exp.Group) -> Iterator[Tree]:
    """The expressions of all sets; a position stands for its item."""
    items = block.select.expressions
    stack: list[Tree] = list(_children(group))
    while stack:
        node = stack.pop()
        if isinstance(node, (exp.Rollup, exp.Cube, exp.GroupingSets, exp.Tuple, exp.Paren)):
            stack += _children(node)
        elif (
            isinstance(node, exp.Literal)
            and not node.is_string
            and (at := whole_number(node.this)) is not None
            and 0 < at <= len(items)
        ):
            meant = items[at - 1].unalias()
            node.replace(meant.copy())
            yield meant
        else:
            yield node
