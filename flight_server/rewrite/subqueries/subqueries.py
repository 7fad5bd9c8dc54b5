"""Subqueries that the engine decorrelates wrongly, or not at all, are given forms that it gets right.

| as written | what the engine does | as rewritten |
| --- | --- | --- |
| EXISTS (SELECT agg .. correlated) | no row for no match | TRUE, or HAVING as a value |
| EXISTS (.. GROUP BY ROLLUP (..)) | forgets the grand total | TRUE, or without the groups |
| x IN (SELECT agg .. correlated) | no row for no match | x = (SELECT agg ..) |
| x NOT IN (.. correlated), or under OR | forgets what NULLs mean | NOT EXISTS (.. (y = x) IS NOT FALSE) |
| x IN (.. correlated) | fails where types differ | EXISTS (.. y = x) |
| IN, EXISTS as a value | refuses | counts compared with 0 |
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from sqlglot import exp

from flight_server.rewrite.columns.stars import expand, has_star
from flight_server.rewrite.subqueries.one_row import (
    MORE_THAN_SIMPLE,
    equals_a_value,
    equals_one_row,
    exists_of_one_row,
    gives_a_row_of_nothing,
    has_grouping_sets,
    is_of_nothing,
    is_simple,
    truth,
)
from flight_server.rewrite.tree.aggregates import aggregates_in
from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import HIDDEN, all_of, bracketed, call, column, folded, identifier, number
from storage.errors import NotSupported

_IN: Final = f"{HIDDEN}n"
_VALUE: Final = f"{HIDDEN}y"
_CONDITIONS: Final = (exp.Where, exp.Having, exp.Qualify)


class Place(Enum):
    """Where a predicate stands."""

    CONJUNCT = auto()  # joined by AND to the rest of a condition
    TRUE_WANTED = auto()  # within OR: only whether it is true counts
    FALSE_WANTED = auto()  # below NOT: only whether it is false counts
    VALUE = auto()  # NULL must be told from FALSE


def mend_subqueries(blocks: Blocks) -> None:
    """Raises NotSupported for a subquery that is at risk and has no other form."""
    for block in blocks.all:
        _lift_conditions(blocks, block)
    for block in reversed(blocks.all):  # the innermost first
        for predicate in list(_predicates(block.select)):
            if isinstance(predicate, exp.Exists):
                _mend_exists(blocks, predicate)
            elif isinstance(predicate, exp.In):
                _mend_in(blocks, predicate)


def _predicates(select: exp.Select) -> Iterator[Tree]:
    """EXISTS and IN of this block, not of those within."""
    for node in select.find_all(exp.Exists, exp.In):
        if node.find_ancestor(exp.Select) is select and (isinstance(node, exp.Exists) or node.args.get("query")):
            yield node


def place_of(predicate: Tree) -> tuple[Place, bool]:
    """Its place, and whether NOT is over it."""
    negated = is_loose = False
    parent = predicate.parent
    while isinstance(parent, (exp.And, exp.Or, exp.Not, exp.Paren)):
        negated ^= isinstance(parent, exp.Not)
        is_loose |= isinstance(parent, (exp.And, exp.Or)) and (isinstance(parent, exp.Or) != _is_negated_above(parent))
        parent = parent.parent
    if not isinstance(parent, _CONDITIONS):
        return Place.VALUE, negated
    if is_loose:
        return (Place.FALSE_WANTED if negated else Place.TRUE_WANTED), negated
    return Place.CONJUNCT, negated


def _is_negated_above(node: Tree) -> bool:
    negated = False
    parent = node.parent
    while isinstance(parent, (exp.And, exp.Or, exp.Not, exp.Paren)):
        negated ^= isinstance(parent, exp.Not)
        parent = parent.parent
    return negated


def _query_of(predicate: Tree) -> exp.Select | None:
    """The SELECT of a subquery; None for set operations and VALUES."""
    query = predicate.args.get("query") or predicate.this
    while isinstance(query, exp.Subquery):
        query = query.this
    return query if isinstance(query, exp.Select) else None


def _is_correlated(blocks: Blocks, select: exp.Select) -> bool:
    return bool(blocks.outside_columns(select, blocks.block(select)))


def _mend_exists(blocks: Blocks, exists: exp.Exists) -> None:
    select = _query_of(exists)
    place, _ = place_of(exists)
    if select is not None and _literal_limit(select) == "0":
        exists.replace(exp.false())
    elif select is not None and select.args.get("offset") is not None and _is_correlated(blocks, select):
        exists.replace(_more_than_offset(blocks, select))
    elif select is not None and is_of_nothing(select):
        where = select.args.get("where")
        exists.replace(exp.true() if where is None else truth(exp.Paren(this=where.this.copy())))
    elif select is not None and _is_correlated(blocks, select) and gives_a_row_of_nothing(select):
        exists.replace(exists_of_one_row(select))
    elif select is not None and has_grouping_sets(select) and _is_correlated(blocks, select):
        _drop_groups(select)
        _counted_if_value(blocks, place, exists, select)
    else:
        _counted_if_value(blocks, place, exists, select)


def _literal_limit(select: exp.Select) -> str | None:
    limit = select.args.get("limit")
    if limit is None or not isinstance(limit.expression, exp.Literal):
        return None
    return str(limit.expression.this)


def _more_than_offset(blocks: Blocks, select: exp.Select) -> Tree:
    """EXISTS (.. OFFSET n): more than n rows, unless LIMIT takes all away. The engine forgets OFFSET."""
    offset, limit = select.args["offset"].expression, select.args.get("limit")
    plain = isinstance(offset, exp.Literal) and (limit is None or isinstance(limit.expression, exp.Literal))
    if not plain or any(select.args.get(clause) for clause in MORE_THAN_SIMPLE if clause not in ("limit", "offset")):
        raise NotSupported(
            "EXISTS with this OFFSET over names from outside is not supported; compare count(*) with a number"
        )
    if limit is not None and limit.expression.this == "0":
        return exp.false()
    copy = blocks.copied(select)
    copy.set("offset", None)
    copy.set("limit", None)
    counted = _with_conditions(blocks, copy, call("count", exp.Star()), [])
    return exp.Paren(this=exp.GT(this=exp.Subquery(this=counted), expression=offset.copy()))


def _lift_conditions(blocks: Blocks, block: Block) -> None:
    """Conditions of inner joins that name columns from outside go into WHERE, where the engine looks for them."""
    for join in block.select.args.get("joins") or [] if block.outer is not None else []:
        condition = join.args.get("on")
        if condition is None or join.side or join.kind not in ("", "INNER"):
            continue
        parts = list(condition.flatten()) if isinstance(condition, exp.And) else [condition]
        lifted = [one for one in parts if blocks.outside_columns(one, block)]
        if not lifted:
            continue
        where = block.select.args.get("where")
        conditions = ([where.this] if where is not None else []) + [one.copy() for one in lifted]
        kept = [one.copy() for one in parts if one not in lifted]
        join.set("on", all_of(kept) if kept else None)
        join.set("kind", "INNER" if kept else "CROSS")
        block.select.set("where", exp.Where(this=all_of(conditions)))


def _counted_if_value(blocks: Blocks, place: Place, exists: exp.Exists, select: exp.Select | None) -> None:
    if place is Place.VALUE:
        exists.replace(_counts(blocks, exists.this, select, []))


def _mend_in(blocks: Blocks, found: exp.In) -> None:
    select = _query_of(found)
    place, negated = place_of(found)
    correlated = select is not None and _is_correlated(blocks, select)
    if aggregates_in(found.this):
        if place is not Place.CONJUNCT or (negated and correlated):
            raise NotSupported(
                "an aggregate that is looked for in a query is not supported here; compute it in a derived table, and "
                "write IN or NOT IN into the WHERE around that"
            )
        return
    if correlated and select is not None and gives_a_row_of_nothing(select):
        found.replace(exp.Paren(this=equals_one_row(found.this, select)))
    elif select is not None and is_of_nothing(select):
        found.replace(exp.Paren(this=equals_a_value(found.this, select)))
    elif place is Place.VALUE:
        found.replace(_three_valued(blocks, found, select))
    elif negated and (correlated or place is Place.FALSE_WANTED):
        found.replace(_two_valued(blocks, found, select, correlated=correlated))
    elif correlated and select is not None and not select.args.get("group"):
        found.replace(_matches(blocks, found, select))


def _two_valued(blocks: Blocks, found: exp.In, select: exp.Select | None, *, correlated: bool) -> Tree:
    """True where IN is true or NULL: what NOT makes FALSE of."""
    value = bracketed(blocks.qualified(found.this))
    query, item = _over(blocks, found.args["query"], select, _tables_of(value))
    equal = exp.EQ(this=bracketed(item.copy()), expression=value)
    if correlated:
        return _exists(blocks, query, [exp.Not(this=exp.Is(this=exp.Paren(this=equal), expression=exp.false()))])
    # Three joins by hash instead of one that compares every pair.
    unknown = exp.And(this=exp.Paren(this=_is_null(value)), expression=_exists(blocks, query, []))
    parts = [
        _exists(blocks, query, [equal]),
        _exists(blocks, query, [_is_null(bracketed(item.copy()))]),
        exp.Paren(this=unknown),
    ]
    return exp.Paren(this=exp.Or(this=exp.Or(this=parts[0], expression=parts[1]), expression=parts[2]))


def _matches(blocks: Blocks, found: exp.In, select: exp.Select) -> Tree:
    """Whether IN is true. The engine takes a column twice where types differ and fails."""
    value = bracketed(blocks.qualified(found.this))
    query, item = _over(blocks, found.args["query"], select, _tables_of(value))
    return _exists(blocks, query, [exp.EQ(this=bracketed(item.copy()), expression=value)])


def _three_valued(blocks: Blocks, found: exp.In, select: exp.Select | None) -> Tree:
    value = bracketed(blocks.qualified(found.this))
    query, item = _over(blocks, found.args["query"], select, _tables_of(value))
    equal = exp.EQ(this=bracketed(item.copy()), expression=value)
    matches = _count_above_zero(blocks, query, [equal])
    unknown = exp.Or(
        this=_count_above_zero(blocks, query, [_is_null(bracketed(item.copy()))]),
        expression=exp.Paren(
            this=exp.And(this=_is_null(value.copy()), expression=_count_above_zero(blocks, query, []))
        ),
    )
    cases = [exp.If(this=matches, true=exp.true()), exp.If(this=unknown, true=exp.null())]
    return exp.Case(ifs=cases, default=exp.false())


def _tables_of(value: Tree) -> frozenset[str]:
    return frozenset(folded(found.args.get("table")) for found in value.find_all(exp.Column))


def _over(blocks: Blocks, query: Tree, select: exp.Select | None, taken: frozenset[str]) -> tuple[exp.Select, Tree]:
    """A SELECT that takes more conditions, and its only item as an expression in them.

    taken: tables that the conditions name, so that none in the SELECT may be called like them
    """
    if select is not None and (is_simple(select) or _is_correlated(blocks, select)):
        if not is_simple(select):
            _without_groups(select)
        inner = blocks.block(select)
        for source in [source for source in inner.sources if source.alias in taken]:
            blocks.renamed(inner, source, f"{HIDDEN}i_{source.alias}")
        if has_star(select):
            expand(inner)
        return select, select.expressions[0].unalias()
    wrapped = query if isinstance(query, exp.Subquery) else exp.Subquery(this=query)
    derived = exp.Subquery(
        this=wrapped.this.copy(), alias=exp.TableAlias(this=identifier(_IN), columns=[identifier(_VALUE)])
    )
    return exp.Select(expressions=[number(1)], from_=exp.From(this=derived)), column(_VALUE, _IN)


def _without_groups(select: exp.Select) -> None:
    """DISTINCT and plain groups change nothing for IN and EXISTS where the item is one of the groups."""
    if any(
        select.args.get(clause) for clause in ("having", "qualify", "limit", "offset", "with_", "windows")
    ) or aggregates_in(select):
        raise NotSupported(
            "IN and NOT IN over a query with aggregates, HAVING or LIMIT that names columns from outside are not "
            "supported; write EXISTS or NOT EXISTS with the condition in WHERE"
        )
    select.set("group", None)
    select.set("distinct", None)


def _drop_groups(select: exp.Select) -> None:
    if select.args.get("having") or aggregates_in(select):
        raise NotSupported(
            "EXISTS over grouping sets with HAVING that names columns from outside is not supported; use a join"
        )
    select.set("group", None)
    select.set("expressions", [number(1)])


def _exists(blocks: Blocks, query: exp.Select, conditions: list[Tree]) -> exp.Exists:
    return exp.Exists(this=_with_conditions(blocks, query, number(1), conditions))


def _counts(blocks: Blocks, query: Tree, select: exp.Select | None, conditions: list[Tree]) -> Tree:
    if select is None or not is_simple(select):
        if select is not None and _is_correlated(blocks, select):
            if _literal_limit(select) is not None and not select.args.get("offset"):
                select.set("limit", None)
            _without_groups(select)
        else:
            inner = query if isinstance(query, exp.Subquery) else exp.Subquery(this=query)
            derived = exp.Subquery(this=inner.this.copy(), alias=exp.TableAlias(this=identifier(_IN)))
            select = exp.Select(expressions=[number(1)], from_=exp.From(this=derived))
    return _count_above_zero(blocks, select, conditions)


def _count_above_zero(blocks: Blocks, query: exp.Select, conditions: list[Tree]) -> Tree:
    counted = _with_conditions(blocks, query, call("count", exp.Star()), conditions)
    return exp.Paren(this=exp.GT(this=exp.Subquery(this=counted), expression=number(0)))


def _with_conditions(blocks: Blocks, query: exp.Select, item: Tree, conditions: list[Tree]) -> exp.Select:
    copy = blocks.copied(query)
    copy.set("expressions", [item])
    copy.set("order", None)
    where = copy.args.get("where")
    found = ([where.this] if where is not None else []) + [one.copy() for one in conditions]
    copy.set("where", exp.Where(this=all_of(found)) if found else None)
    return copy


def _is_null(value: Tree) -> Tree:
    return exp.Is(this=value.copy(), expression=exp.null())
