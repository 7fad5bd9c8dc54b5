"""One-row subqueries are found: aggregates without groups, which give a row of nothing, and SELECT without FROM."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from flight_server.rewrite.tree.aggregates import aggregates_in
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import bracketed, call
from storage.errors import NotSupported

MORE_THAN_SIMPLE: Final = ("group", "having", "qualify", "limit", "offset", "distinct", "with_", "windows")


def gives_a_row_of_nothing(select: exp.Select) -> bool:
    """Whether there is a row even where nothing is aggregated."""
    group = select.args.get("group")
    if group is None:
        return bool(aggregates_in(select))
    return has_grouping_sets(select) and _has_grand_total(group)


def exists_of_one_row(select: exp.Select) -> Tree:
    """EXISTS over an aggregate without groups: there always is that row, unless HAVING takes it away."""
    if select.args.get("limit") or select.args.get("offset") or select.args.get("qualify"):
        raise NotSupported(
            "EXISTS over an aggregate with LIMIT or OFFSET that names columns from outside is not supported"
        )
    having = select.args.get("having")
    if having is None:
        return exp.true()
    if select.args.get("group") is not None:
        raise NotSupported(
            "EXISTS over grouping sets with HAVING that names columns from outside is not supported; use a join"
        )
    return truth(_having_as_value(select, having.this))


def equals_one_row(value: Tree, select: exp.Select) -> Tree:
    if select.args.get("group") is not None or select.args.get("limit") or select.args.get("offset"):
        raise NotSupported(
            "IN over grouping sets, or over an aggregate with LIMIT, that names columns from outside is not supported; "
            "write it as a join"
        )
    equal = exp.EQ(this=bracketed(value.copy()), expression=_having_as_value(select, select.expressions[0].unalias()))
    having = select.args.get("having")
    if having is None:
        return equal
    kept = exp.If(this=truth(_having_as_value(select, having.this)), true=equal)
    return exp.Case(ifs=[kept], default=exp.false())


def is_of_nothing(select: exp.Select) -> bool:
    """Whether it is one row without any table: SELECT x, SELECT x WHERE y."""
    return is_simple(select) and not any(select.args.get(clause) for clause in ("from_", "joins"))


def equals_a_value(value: Tree, select: exp.Select) -> Tree:
    equal = exp.EQ(this=bracketed(value.copy()), expression=bracketed(select.expressions[0].unalias().copy()))
    where = select.args.get("where")
    return equal if where is None else exp.Case(ifs=[exp.If(this=where.this.copy(), true=equal)], default=exp.false())


def is_simple(select: exp.Select) -> bool:
    is_plain = not any(select.args.get(clause) for clause in MORE_THAN_SIMPLE) and not aggregates_in(select)
    return is_plain and not any(item.find(exp.Window) for item in select.expressions)


def has_grouping_sets(select: exp.Select) -> bool:
    group = select.args.get("group")
    return group is not None and any(group.find(kind) for kind in (exp.Rollup, exp.Cube, exp.GroupingSets))


def _has_grand_total(group: Tree) -> bool:
    """ROLLUP and CUBE alone have one; grouping sets where `()` is among them; beside a plain column none of them."""
    parts = [
        *group.args.get("expressions", []),
        *group.args.get("rollup", []),
        *group.args.get("cube", []),
        *group.args.get("grouping_sets", []),
    ]
    return all(_holds_total(part) for part in parts)


def _holds_total(part: Tree) -> bool:
    if isinstance(part, (exp.Rollup, exp.Cube)):
        return True
    if not isinstance(part, exp.GroupingSets):
        return False
    return any((isinstance(one, exp.Tuple) and not one.expressions) or _holds_total(one) for one in part.expressions)


def _having_as_value(select: exp.Select, value: Tree) -> Tree:
    """An expression over the aggregates of a query without groups, each as a scalar subquery of its own."""
    whole = exp.Paren(this=value.copy())
    for found in aggregates_in(whole):
        found.replace(_scalar(select, found))
    return whole


def _scalar(select: exp.Select, item: Tree) -> exp.Subquery:
    query = exp.Select(expressions=[item.copy()])
    for clause in ("from_", "joins", "where"):
        value = select.args.get(clause)
        query.set(clause, [one.copy() for one in value] if isinstance(value, list) else value and value.copy())
    return exp.Subquery(this=query)


def truth(value: Tree) -> Tree:
    return call("coalesce", value, exp.false())
