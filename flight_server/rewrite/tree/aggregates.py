"""Aggregate functions are told by name: nothing else tells them from others before planning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from flight_server.rewrite.tree.dialect import Tree

# As `SHOW FUNCTIONS` of the engine lists them; a test holds the two together.
AGGREGATES: Final = frozenset(
    [
        "any_value",
        "approx_distinct",
        "approx_median",
        "approx_percentile_cont",
        "approx_percentile_cont_with_weight",
        "array_agg",
        "avg",
        "bit_and",
        "bit_or",
        "bit_xor",
        "bool_and",
        "bool_or",
        "corr",
        "count",
        "covar",
        "covar_pop",
        "covar_samp",
        "first_value",
        "grouping",
        "last_value",
        "max",
        "mean",
        "median",
        "min",
        "nth_value",
        "percentile_cont",
        "quantile_cont",
        "regr_avgx",
        "regr_avgy",
        "regr_count",
        "regr_intercept",
        "regr_r2",
        "regr_slope",
        "regr_sxx",
        "regr_sxy",
        "regr_syy",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "string_agg",
        "sum",
        "var",
        "var_pop",
        "var_population",
        "var_samp",
        "var_sample",
    ]
)


def is_aggregate(node: Tree) -> bool:
    """A call of an aggregate function that is no window function."""
    return (
        isinstance(node, exp.Anonymous)
        and isinstance(node.this, str)
        and node.this.lower() in AGGREGATES
        and not isinstance(_outermost(node).parent, exp.Window)
    )


def aggregates_in(node: Tree) -> list[Tree]:
    """Aggregates of the block itself, with their FILTER and the like, not those of blocks within; outermost ones."""
    return list(_found(node, node))


def _found(node: Tree, root: Tree) -> Iterator[Tree]:
    if node is not root and isinstance(node, (exp.Select, exp.SetOperation)):
        return
    if is_aggregate(node):
        yield _outermost(node)
        return
    for key, value in node.args.items():
        if isinstance(node, exp.Select) and key in ("from_", "joins", "where", "with_", "group"):
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, exp.Expr):
                yield from _found(one, root)


def _outermost(node: Tree) -> Tree:
    """The call with what is wrapped around it: FILTER (..), WITHIN GROUP (..), IGNORE NULLS."""
    while (
        isinstance(node.parent, (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls))
        and node.arg_key == "this"
    ):
        node = node.parent
    return node
