"""Float keys have one zero and one NaN above all numbers, and extremes may be infinite, where the engine has others.

| what | the engine | here |
| --- | --- | --- |
| max, min by group | begin at the largest finite numbers and pass over NaN | CASE over what the group holds |
| windows and ORDER BY | -0.0 before 0.0, and a NaN with a sign below all | keys are `nanvl(d + 0.0, NaN)` |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
from sqlglot import exp

from flight_server.rewrite.tree.aggregates import is_aggregate
from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import (
    HIDDEN,
    bracketed,
    call,
    column,
    folded,
    identifier,
    is_call,
    literal,
    number,
)
from storage.whole_numbers import whole_number

_KINDS: Final = {pa.float64(): "DOUBLE", pa.float32(): "REAL"}


def mend_extremes(blocks: Blocks) -> None:
    """min and max over floats beside GROUP BY, or in a subquery, which the engine makes one with groups."""
    for block in blocks.all:
        if block.select.args.get("group") is None and block.outer is None:
            continue
        calls = [node for node in _own(block, exp.Anonymous) if is_call(node, "min", "max") and is_aggregate(node)]
        calls = [node for node in calls if len(node.expressions) == 1]
        arguments = [_argument(node) for node in calls]
        for node, kind in zip(calls, blocks.types(block, arguments), strict=True):
            if kind in _KINDS:
                whole = node.parent if isinstance(node.parent, exp.Filter) and node.arg_key == "this" else node
                condition = whole.args["expression"] if isinstance(whole, exp.Filter) else None
                whole.replace(exp.Paren(this=_extreme(node, _KINDS[kind], condition)))


def mend_keys(blocks: Blocks) -> None:
    """Floats that rows are put in order or into partitions by."""
    for block in blocks.all:
        rows: list[Tree] = []
        groups: list[Tree] = []
        groups += _window_keys(block)
        for order in _aggregate_orders(block):
            rows += [ordered.this for ordered in order.expressions]
        for keys, grouped in ((rows, False), (groups, True)):
            for key, kind in zip(keys, blocks.types(block, keys, grouped=grouped), strict=True):
                if kind in _KINDS:
                    key.replace(normal(key.copy()))
        _mend_order(blocks, block)
    _mend_orders_of_sets(blocks)


def _mend_orders_of_sets(blocks: Blocks) -> None:
    """ORDER BY of UNION and the like goes around it, where its keys may be more than names."""
    for block in list(blocks.all):
        node: Tree = block.select
        while isinstance(node.parent, (exp.SetOperation, exp.Subquery)) and node.arg_key == "this":
            node = node.parent
            if isinstance(node, exp.SetOperation) and node.args.get("order") is not None:
                _mend_set_order(blocks, block, node)
                break


def _mend_set_order(blocks: Blocks, block: Block, node: exp.SetOperation) -> None:
    keys = node.args["order"].expressions
    inner = node.copy()
    for clause in ("order", "limit", "offset"):
        inner.set(clause, None)
    derived = exp.Subquery(this=inner, alias=exp.TableAlias(this=identifier(f"{HIDDEN}o")))
    whole = exp.Select(expressions=[exp.Star()], from_=exp.From(this=derived))
    names = blocks.schema(block, whole).names
    meant = [_output(names, one.this) for one in keys]
    probe = whole.copy()
    probe.set("expressions", [exp.Alias(this=one.copy(), alias=identifier(f"p{at}")) for at, one in enumerate(meant)])
    kinds = [field.type for field in blocks.schema(block, probe)]
    if not any(kind in _KINDS for kind in kinds):
        return
    for one, value, kind in zip(keys, meant, kinds, strict=True):
        one.set("this", normal(value) if kind in _KINDS else value)
    for clause in ("order", "limit", "offset"):
        whole.set(clause, node.args.get(clause))
    node.replace(whole)


def _output(names: list[str], key: Tree) -> Tree:
    at = _ordinal(key)
    return column(names[at - 1]) if 0 < at <= len(names) else key


def _ordinal(key: Tree) -> int:
    """0 for what is no place in a list."""
    return whole_number(key.this) or 0 if isinstance(key, exp.Literal) and not key.is_string else 0


def normal(value: Tree) -> Tree:
    """-0.0 becomes 0.0, any NaN the positive one."""
    return call(
        "nanvl",
        exp.Add(this=bracketed(value), expression=exp.Literal(this="0.0", is_string=False)),
        _constant("NaN", "DOUBLE"),
    )


def _mend_order(blocks: Blocks, block: Block) -> None:
    """ORDER BY of the block: by position, by the name of an item, or by an expression."""
    order = block.select.args.get("order")
    if order is None:
        return
    ordered = list(order.expressions)
    meant = [_meant(block, one.this) for one in ordered]
    for one, value, kind in zip(ordered, meant, blocks.types(block, meant, grouped=True), strict=True):
        if kind in _KINDS:
            one.set("this", normal(value.copy()))


def _meant(block: Block, key: Tree) -> Tree:
    """The expression that an ORDER BY key stands for."""
    items = block.select.expressions
    at = _ordinal(key)
    if 0 < at <= len(items):
        return items[at - 1].unalias()
    if isinstance(key, exp.Column) and key.args.get("table") is None:
        for item in items:
            if isinstance(item, exp.Alias) and folded(item.args["alias"]) == folded(key.this):
                return item.this
    return key


def _window_keys(block: Block) -> Iterator[Tree]:
    for window in _own(block, exp.Window):
        yield from window.args.get("partition_by") or []
        order = window.args.get("order")
        yield from [ordered.this for ordered in order.expressions] if order is not None else []


def _aggregate_orders(block: Block) -> Iterator[Tree]:
    for order in _own(block, exp.Order):
        if not isinstance(order.parent, (exp.Select, exp.Window, exp.SetOperation, exp.Subquery)):
            yield order


def _own(block: Block, kind: type[Tree]) -> list[Tree]:
    return [node for node in block.select.find_all(kind) if node.find_ancestor(exp.Select) is block.select]


def _argument(node: Tree) -> Tree:
    argument = node.expressions[0]
    return argument.expressions[0] if isinstance(argument, exp.Distinct) else argument


def _extreme(node: Tree, kind: str, condition: Tree | None) -> exp.Case:
    value = _argument(node)
    is_max = is_call(node, "max")
    far = _constant("-Infinity" if is_max else "Infinity", kind)
    closer = exp.GT if is_max else exp.LT
    nan, some = call("isnan", value.copy()), closer(this=bracketed(value.copy()), expression=far)
    number_wanted = value if is_max else exp.Case(ifs=[exp.If(this=exp.Not(this=nan.copy()), true=value.copy())])

    def over(name: str, argument: Tree) -> Tree:
        if condition is None:
            return call(name, argument.copy())
        return exp.Filter(this=call(name, argument.copy()), expression=condition.copy())

    found = over("max" if is_max else "min", number_wanted)
    any_nan, not_nan = over("bool_or", nan), over("bool_or", exp.Not(this=nan.copy()))
    counted = exp.GT(this=over("count", value), expression=number(0))
    if is_max:
        cases = [(any_nan, _constant("NaN", kind)), (over("bool_or", some), found), (counted, far.copy())]
    else:
        cases = [(over("bool_or", some), found), (not_nan, far.copy()), (counted, _constant("NaN", kind))]
    return exp.Case(ifs=[exp.If(this=when, true=then) for when, then in cases])


def _constant(value: str, kind: str) -> Tree:
    return exp.Cast(this=literal(value), to=exp.DataType.build(kind, dialect="postgres"))
