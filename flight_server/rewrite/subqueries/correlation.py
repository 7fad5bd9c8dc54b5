"""Correlation by more than equalities is computed for the distinct values: `(SELECT count(*) FROM s WHERE s.b < t.a)`.

The engine decorrelates equalities alone. So the subquery is computed for each value that comes from outside, in one
join of the distinct values with the inner tables, and looked up by equality.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Final

from sqlglot import exp

from flight_server.rewrite.tree.aggregates import aggregates_in
from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree, written
from flight_server.rewrite.tree.names import HIDDEN, all_of, bracketed, call, column, conjuncts, identifier, is_call
from storage.errors import NotSupported
from storage.whole_numbers import whole_number

_COUNTS: Final = ("count", "approx_distinct", "regr_count")
_STRICT: Final = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Like)
_MAY_TAKE_NULL: Final = (exp.Anonymous, exp.Case, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Or, exp.Select)
_LIMITS: Final = ("group", "having", "qualify", "limit", "offset", "distinct", "with_", "windows")


def mend_unequal_correlation(blocks: Blocks) -> None:
    """Raises NotSupported for correlated subqueries that have no such form."""
    numbers = count(1)
    for inner in reversed(blocks.all):
        subquery = inner.select.parent
        if inner.outer is None or subquery is None:
            continue
        while isinstance(subquery, exp.Subquery) and isinstance(subquery.parent, exp.Subquery):
            subquery = subquery.parent  # more brackets
        outside = blocks.outside_columns(inner.select, inner)
        if not outside or _is_decorrelated_by_the_engine(blocks, inner):
            continue
        if isinstance(subquery, exp.Subquery) and is_scalar(subquery) and _is_value_alone(inner.select):
            subquery.replace(exp.Paren(this=inner.select.expressions[0].unalias().copy()))
        elif isinstance(subquery, exp.Subquery) and is_scalar(subquery):
            subquery.replace(_looked_up(blocks, inner, outside, f"{HIDDEN}d{next(numbers)}"))
        elif inner.select.args.get("group") and (
            isinstance(subquery, exp.Exists) or isinstance(subquery.parent, exp.In)
        ):
            inner.select.replace(_groups_looked_up(blocks, inner, outside, f"{HIDDEN}d{next(numbers)}"))


def _is_value_alone(select: exp.Select) -> bool:
    """`(SELECT a.x)` is a.x."""
    clauses = [clause for clause, value in select.args.items() if value and clause != "expressions"]
    return not clauses and len(select.expressions) == 1 and not aggregates_in(select)


def is_scalar(subquery: Tree) -> bool:
    """Whether it stands for one value."""
    return not isinstance(
        subquery.parent,
        (exp.From, exp.Join, exp.In, exp.Exists, exp.SetOperation, exp.Lateral, exp.Subquery, exp.CTE, exp.Table),
    ) and (subquery.parent is not None)


def _is_decorrelated_by_the_engine(blocks: Blocks, inner: Block) -> bool:
    """Whether names from outside stand in equalities of WHERE only."""
    inside = [
        id(found)
        for one in conjuncts(inner.select.args.get("where"))
        if _is_equality(blocks, inner, one)
        for found in blocks.outside_columns(one, inner)
    ]
    return len(inside) == len(blocks.outside_columns(inner.select, inner))


def _is_equality(blocks: Blocks, inner: Block, node: Tree) -> bool:
    node = node.unnest()
    if not isinstance(node, exp.EQ):
        return False
    sides = [
        (side, blocks.outside_columns(side, inner), list(side.find_all(exp.Column)))
        for side in (node.this, node.expression)
    ]
    pure = [len(outside) == len(every) for _, outside, every in sides if outside]
    return len(pure) == 1 and pure[0] and any(not outside for _, outside, _ in sides)


def _looked_up(blocks: Blocks, inner: Block, outside: list[exp.Column], alias: str) -> Tree:
    _refuse_others(blocks, inner, outside)
    keys = _keys(blocks, inner, list({written(found): found for found in outside}.values()))
    whole = exp.Paren(this=inner.select.expressions[0].unalias().copy())
    computed = _computed(blocks, inner, keys, alias)
    for at, aggregate in enumerate(aggregates_in(whole)):
        aggregate.replace(_lookup(computed, keys, at, alias, is_count=_is_count(aggregate)))
    return whole


def _groups_looked_up(blocks: Blocks, inner: Block, outside: list[exp.Column], alias: str) -> exp.Select:
    """EXISTS and IN over groups: these are made for each value from outside, and looked up by equality."""
    _refuse_far(blocks, inner, outside)
    if any(inner.select.args.get(clause) for clause in ("qualify", "limit", "offset", "distinct", "with_", "windows")):
        raise _refusal()
    keys = _keys(blocks, inner, list({written(found): found for found in outside}.values()))
    group = inner.select.args["group"].copy()
    computed = _over_values(blocks, inner, keys, alias, [_as(inner.select.expressions[0].unalias().copy(), "v0")])
    inner_keys = computed.args["group"].expressions
    computed.set("group", exp.Group(expressions=[*inner_keys, *_written_out(group, inner).expressions]))
    name = f"{alias}v"
    found = exp.Select(expressions=[column("v0", name)])
    found.set("from_", exp.From(this=exp.Subquery(this=computed, alias=exp.TableAlias(this=identifier(name)))))
    found.set("where", exp.Where(this=all_of(_equalities(keys, name))))
    return found


def _written_out(group: exp.Group, inner: Block) -> exp.Group:
    """GROUP BY 1 as the expression of the first item; of groups that are named plainly only."""
    if any(group.args.get(kind) for kind in ("rollup", "cube", "grouping_sets")) or group.find(
        exp.Rollup, exp.Cube, exp.GroupingSets
    ):
        raise _refusal()
    items = inner.select.expressions
    for one in list(group.expressions):
        if isinstance(one, exp.Literal) and not one.is_string:
            at = whole_number(one.this)
            if at is None or not 0 < at <= len(items):
                raise _refusal()
            one.replace(items[at - 1].unalias().copy())
    return group


@dataclass(frozen=True, slots=True)
class _Key:
    """A column from outside: its name among the distinct values, and by what these are found (name -> expression)."""

    name: str
    column: exp.Column
    found_by: dict[str, Tree]


def _keys(blocks: Blocks, inner: Block, columns: list[exp.Column]) -> list[_Key]:
    if _is_strict(blocks, inner):
        return [_Key(f"k{at}", one, {f"k{at}": one}) for at, one in enumerate(columns)]
    # NULL must be found, too, and the engine decorrelates no other equality than =.
    return [_Key(f"k{at}", one, {f"t{at}": _text(one), f"n{at}": _is_null(one)}) for at, one in enumerate(columns)]


def _is_strict(blocks: Blocks, inner: Block) -> bool:
    """Whether a NULL from outside goes with no row, so that it need not be found among the values."""
    where = conjuncts(inner.select.args.get("where"))
    strict = [one for one in where if isinstance(one.unnest(), _STRICT) and not one.find(*_MAY_TAKE_NULL)]
    inside = sum(len(blocks.outside_columns(one, inner)) for one in strict)
    return inside == len(blocks.outside_columns(inner.select, inner))


def _refuse_others(blocks: Blocks, inner: Block, outside: list[exp.Column]) -> None:
    _refuse_far(blocks, inner, outside)
    plain = len(inner.select.expressions) == 1 and bool(aggregates_in(inner.select))
    if not plain or any(inner.select.args.get(clause) for clause in _LIMITS):
        raise _refusal()


def _refuse_far(blocks: Blocks, inner: Block, outside: list[exp.Column]) -> None:
    """Names must come from the rows right around the subquery, before these are grouped."""
    meanings = [blocks.meaning(found) for found in outside]
    if any(meaning is None or meaning[0] is not inner.outer for meaning in meanings) or _is_grouped(inner.outer):
        raise _refusal()


def _refusal() -> NotSupported:
    return NotSupported(
        "a subquery that names columns from outside of it, other than by =, must be one aggregate over a WHERE, or "
        "groups under EXISTS or IN; write it as a join with GROUP BY"
    )


def _is_grouped(outer: Block | None) -> bool:
    return outer is not None and (outer.select.args.get("group") is not None)


def _computed(blocks: Blocks, inner: Block, keys: list[_Key], alias: str) -> exp.Select:
    """Per distinct value from outside the aggregates over the rows that go with it."""
    found = [_as(one.copy(), f"v{at}") for at, one in enumerate(aggregates_in(inner.select))]
    return _over_values(blocks, inner, keys, alias, found)


def _over_values(blocks: Blocks, inner: Block, keys: list[_Key], alias: str, found: list[exp.Alias]) -> exp.Select:
    """The inner query for all distinct values from outside at once, grouped by them. found: its items."""
    values = {key.name: key.column for key in keys} | {name: one for key in keys for name, one in key.found_by.items()}
    names = {written(key.column): column(key.name, alias) for key in keys}
    copy = blocks.copied(inner.select)
    copy.set("expressions", found)
    for one in blocks.outside_columns(copy, inner):
        one.replace(names[written(one)].copy())
    copy.set("expressions", [*(_as(column(name, alias), name) for name in values), *copy.expressions])
    derived = exp.Subquery(this=_distinct(blocks, inner, values), alias=exp.TableAlias(this=identifier(alias)))
    first = copy.args.get("from_")
    joins = [] if first is None else [exp.Join(this=first.this, kind="CROSS"), *(copy.args.get("joins") or [])]
    copy.set("from_", exp.From(this=derived))
    copy.set("joins", joins)
    copy.set("order", None)
    copy.set("group", exp.Group(expressions=[column(name, alias) for name in values]))
    return copy


def _distinct(blocks: Blocks, inner: Block, values: dict[str, Tree]) -> exp.Select:
    assert inner.outer is not None
    found = blocks.bare(inner.outer)
    found.set("expressions", [_as(one.copy(), name) for name, one in values.items()])
    found.set("distinct", exp.Distinct())
    return found


def _lookup(computed: exp.Select, keys: list[_Key], at: int, alias: str, *, is_count: bool) -> Tree:
    name = f"{alias}v"
    query = exp.Select(expressions=[call("max" if is_count else "first_value", column(f"v{at}", name))])
    query.set("from_", exp.From(this=exp.Subquery(this=computed.copy(), alias=exp.TableAlias(this=identifier(name)))))
    query.set("where", exp.Where(this=all_of(_equalities(keys, name))))
    found = exp.Subquery(this=query)
    return call("coalesce", found, exp.Literal.number(0)) if is_count else found


def _equalities(keys: list[_Key], alias: str) -> list[Tree]:
    pairs = [(inner, outer) for key in keys for inner, outer in key.found_by.items()]
    return [exp.EQ(this=column(inner, alias), expression=bracketed(outer.copy())) for inner, outer in pairs]


def _text(value: Tree) -> Tree:
    return call(
        "coalesce",
        exp.Cast(this=value.copy(), to=exp.DataType.build("VARCHAR", dialect="postgres")),
        exp.Literal.string(""),
    )


def _is_null(value: Tree) -> Tree:
    return exp.Paren(this=exp.Is(this=value.copy(), expression=exp.null()))


def _is_count(aggregate: Tree) -> bool:
    while isinstance(aggregate, (exp.Filter, exp.WithinGroup)):
        aggregate = aggregate.this
    return is_call(aggregate, *_COUNTS)


def _as(node: Tree, name: str) -> exp.Alias:
    return exp.Alias(this=node, alias=identifier(name))
