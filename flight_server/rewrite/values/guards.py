"""Guards are put into divisions and casts beside the condition that guards them: `x <> 0 AND y / x > 2`.

The engine computes both sides of AND and OR for whole batches, makes them of CASE, too, and joins the conditions of
WHERE, ON and HAVING. What the condition gives stays the same; only what would fail is NULL where that does not matter.
"""

from __future__ import annotations

from sqlglot import exp

from flight_server.rewrite.tree.aggregates import aggregates_in
from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.fallible import fallible
from flight_server.rewrite.tree.names import any_of, conjuncts, folded, operands
from flight_server.rewrite.values.guarded import guard, guard_each, null_unless, sure


def guard_divisions(blocks: Blocks) -> None:
    """All conditions of all blocks."""
    for block in blocks.all:
        _guard_connectors(block)
        _guard_conditions(block)
        _guard_results(block, is_inner=blocks.is_inner(block))
        for case in _own(block, exp.Case):
            _guard_case(case)
        for found in _own(block, exp.Filter):
            guard(fallible(found.this), sure([found.expression.this]))


def _own(block: Block, *kinds: type[Tree]) -> list[Tree]:
    return [one for one in block.select.find_all(*kinds) if one.find_ancestor(exp.Select) is block.select]


def _guard_connectors(block: Block) -> None:
    """Every AND and OR but that of WHERE as a whole."""
    where = block.select.args.get("where")
    known = {id(one.parent) for one in conjuncts(where)}
    for connector in reversed(_own(block, exp.And, exp.Or)):  # those within before those around
        if id(connector) not in known and type(connector) is not type(_around(connector)):
            guard_each(operands(connector, type(connector)), is_and=isinstance(connector, exp.And))


def _around(node: Tree) -> Tree | None:
    parent = node.parent
    return parent.parent if isinstance(parent, exp.Paren) else parent


def _guard_conditions(block: Block) -> None:
    """WHERE, and ON where all joins are inner ones: a row that fails one of them is gone."""
    joins = block.select.args.get("joins") or []
    found = [] if _has_outer(joins) else [one for join in joins for one in conjuncts(join.args.get("on"))]
    if len(joins) > 1:  # a bare name may be of two tables when all are joined
        found = [one for one in found if all(column.args.get("table") for column in one.find_all(exp.Column))]
    guard_each(conjuncts(block.select.args.get("where")), sure(found))


def _has_outer(joins: list[exp.Join]) -> bool:
    return any(join.side or join.kind not in ("", "INNER", "CROSS") for join in joins)


def _guard_results(block: Block, *, is_inner: bool) -> None:
    """Columns and HAVING: a filter around the block is moved into it, and HAVING beneath the groups, beside WHERE."""
    select = block.select
    where, having = conjuncts(select.args.get("where")), conjuncts(select.args.get("having"))
    aggregates = aggregates_in(select)
    group = select.args.get("group")
    if group is None and not aggregates:
        for item in select.expressions if is_inner else []:
            guard(fallible(item), sure(where))
        return
    keys = group.expressions if group is not None else []
    known = sure(one for one in where if all(column in keys for column in one.find_all(exp.Column)))
    aggregated = {id(node) for one in aggregates for node in one.walk()}
    results = [item for at, item in enumerate(select.expressions) if is_inner and not _is_key(item, at, keys)]
    for found, guards in ((having, known), (results, [*known, *sure(having)])):
        for one in found:
            guard([operand for operand in fallible(one) if id(operand) not in aggregated], guards)


def _is_key(item: Tree, at: int, keys: list[Tree]) -> bool:
    """Whether GROUP BY means this item, which has to stay as it is."""
    alias = folded(item.args["alias"]) if isinstance(item, exp.Alias) else None
    bare = item.unalias()
    for key in keys:
        if key == bare or (isinstance(key, exp.Literal) and key.this == str(at + 1)):
            return True
        if isinstance(key, exp.Column) and not key.args.get("table") and folded(key.this) == alias:
            return True
    return False


def _guard_case(case: Tree) -> None:
    """The engine makes AND and OR of a CASE over truths, so its branches are no guards either."""
    if case.this is not None:
        return
    conditions = [branch.this for branch in case.args["ifs"]]
    before: list[Tree] = []
    for branch, condition in zip(case.args["ifs"], conditions, strict=True):
        if sure([condition]):
            null_unless(fallible(branch.args["true"]), condition)
        guard(fallible(condition), sure(before), is_and=False)
        before.append(condition)
    default = case.args.get("default")
    if default is not None and len(sure(conditions)) == len(conditions):
        taken = exp.Is(this=exp.Paren(this=any_of([one.copy() for one in conditions])), expression=exp.true())
        null_unless(fallible(default), exp.Not(this=taken))
