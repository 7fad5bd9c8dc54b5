"""Lookups, correlated scalar subqueries without an aggregate, are aggregated: `(SELECT b.x FROM b WHERE b.id = a.id)`.

The engine takes aggregates alone. So the subquery becomes the first value of its rows, and an error (21000) where there
are more than the one that it may have.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from flight_server.rewrite.subqueries.correlation import is_scalar
from flight_server.rewrite.tree.aggregates import aggregates_in
from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree, read
from flight_server.rewrite.tree.names import call, folded

_BEYOND: Final = ("group", "having", "qualify", "offset", "distinct", "with_", "windows")
# A text that is no number: the engine says it in its error, which is known by it.
_ONE_ROW: Final = (
    "CASE WHEN CAST(CASE WHEN count(*) > 1 THEN 'Scalar subquery returned more than one row' END AS BIGINT) IS NULL "
    "THEN x END"
)


def aggregate_lookups(blocks: Blocks) -> None:
    for inner in blocks.all:
        subquery = inner.select.parent
        while isinstance(subquery, exp.Subquery) and isinstance(subquery.parent, exp.Subquery):
            subquery = subquery.parent  # more brackets
        if inner.outer is None or not isinstance(subquery, exp.Subquery) or not is_scalar(subquery):
            continue
        if inner.sources and _is_plain(inner.select) and blocks.outside_columns(inner.select, inner):
            _aggregate(inner)


def _is_plain(select: exp.Select) -> bool:
    item = select.expressions[0].unalias() if len(select.expressions) == 1 else None
    if item is None or isinstance(item, exp.Star) or item.find(exp.Window, exp.Select) or aggregates_in(select):
        return False
    return not any(select.args.get(clause) for clause in _BEYOND) and _takes_one_or_all(select)


def _takes_one_or_all(select: exp.Select) -> bool:
    limit = select.args.get("limit")
    return limit is None or (isinstance(limit.expression, exp.Literal) and limit.expression.this == "1")


def _aggregate(inner: Block) -> None:
    select = inner.select
    value, order = select.expressions[0].unalias().copy(), select.args.get("order")
    first: Tree = call("first_value", value if order is None else _ordered(value, order, select.expressions[0].alias))
    if select.args.get("limit") is None:
        one_row = read(f"SELECT {_ONE_ROW}").expressions[0]
        one_row.args["ifs"][0].args["true"].replace(first)
        first = one_row
    select.set("expressions", [first])
    select.set("order", None)
    select.set("limit", None)


def _ordered(value: Tree, order: exp.Order, alias: str) -> exp.Order:
    """With the value itself where a key is its position or its alias."""
    keys = [one.copy() for one in order.expressions]
    for key in keys:
        named = isinstance(key.this, exp.Column) and not key.this.args.get("table") and folded(key.this.this) == alias
        if isinstance(key.this, exp.Literal) or (named and alias):
            key.this.replace(value.copy())
    return exp.Order(this=value, expressions=keys)
