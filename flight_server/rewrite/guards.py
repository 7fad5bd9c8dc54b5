"""Divisions beside the condition that guards them: `x <> 0 AND y / x > 2`.

The engine computes both sides of AND and OR for whole batches, and makes them of CASE, too. The divisor becomes NULL
where the answer is settled without it, so that nothing is divided there; what the condition gives stays the same.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from flight_server.rewrite.blocks import Block, Blocks
from flight_server.rewrite.dialect import Tree
from flight_server.rewrite.names import all_of, bracketed, is_call, number

_NO_LIMIT: Final = (1 << 63) - 1


def guard_divisions(blocks: Blocks) -> None:
    """All conditions of all blocks."""
    for block in blocks.all:
        _guard_items(block)
        _keep_filters_apart(block)
        for connector in list(block.select.find_all(exp.And, exp.Or)):
            if isinstance(connector.parent, type(connector)) or connector.find_ancestor(exp.Select) is not block.select:
                continue
            _guard(connector)
        for case in list(block.select.find_all(exp.Case)):
            if case.find_ancestor(exp.Select) is block.select:
                _guard_case(case)


def _guard(connector: Tree) -> None:
    operands = _operands(connector, type(connector))
    divided = [one for one in operands if _divisors(one)]
    guards = [one for one in operands if not _divisors(one) and one.find(exp.Select) is None]
    if not divided or not guards:
        return
    settled = exp.false() if isinstance(connector, exp.And) else exp.true()
    joined = all_of([one.copy() for one in guards]) if isinstance(connector, exp.And) else _any_of(guards)
    open_ = exp.Not(this=exp.Is(this=exp.Paren(this=joined), expression=settled))
    for one in divided:
        _null_unless(_divisors(one), open_)


def _guard_items(block: Block) -> None:
    """A filter around a derived table is moved into it, beside the WHERE that guards its columns."""
    where = block.select.args.get("where")
    if where is None or block.select.parent is None or _divisors(where.this) or where.find(exp.Select) is not None:
        return
    kept = exp.Not(this=exp.Is(this=exp.Paren(this=where.this.copy()), expression=exp.false()))
    for item in block.select.expressions:
        _null_unless(_divisors(item), kept)


def _keep_filters_apart(block: Block) -> None:
    """A division in WHERE over a derived table that has a WHERE of its own: no filter goes past a LIMIT."""
    where = block.select.args.get("where")
    if where is None or not _divisors(where.this):
        return
    for source in block.sources:
        inner = source.node.this if isinstance(source.node, exp.Subquery) else None
        if isinstance(inner, exp.Select) and inner.args.get("where") and not inner.args.get("limit"):
            inner.set("limit", exp.Limit(expression=number(_NO_LIMIT)))


def _guard_case(case: exp.Case) -> None:
    """The engine makes AND and OR of a CASE over truths, so its branches are no guards either."""
    if case.this is not None:
        return
    for branch in case.args["ifs"]:
        condition = branch.this
        if condition.find(exp.Select) is None and not _divisors(condition):
            _null_unless(_divisors(branch.args["true"]), condition)
    default = case.args.get("default")
    conditions = [branch.this for branch in case.args["ifs"]]
    if default is not None and not any(one.find(exp.Select) or _divisors(one) for one in conditions):
        taken = exp.Is(this=exp.Paren(this=_any_of(conditions)), expression=exp.true())
        _null_unless(_divisors(default), exp.Not(this=taken))


def _null_unless(divisors: list[Tree], condition: Tree) -> None:
    for divisor in divisors:
        divisor.replace(exp.Paren(this=exp.Case(ifs=[exp.If(this=condition.copy(), true=divisor.copy())])))


def _operands(node: Tree, kind: type[Tree]) -> list[Tree]:
    if isinstance(node, kind):
        return [*_operands(node.this, kind), *_operands(node.expression, kind)]
    if isinstance(node, exp.Paren) and isinstance(node.this, kind):
        return _operands(node.this, kind)
    return [node]


def _divisors(node: Tree) -> list[Tree]:
    found = [one.expression for one in node.find_all(exp.Div, exp.Mod)]
    found += [
        one.expressions[1] for one in node.find_all(exp.Anonymous) if is_call(one, "mod") and len(one.expressions) == 2
    ]
    return [
        one
        for one in found
        if not isinstance(one, exp.Literal) and one.find_ancestor(exp.Select) is node.find_ancestor(exp.Select)
    ]


def _any_of(conditions: list[Tree]) -> Tree:
    whole, *rest = [bracketed(one.copy()) for one in conditions]
    for one in rest:
        whole = exp.Or(this=whole, expression=one)
    return whole
