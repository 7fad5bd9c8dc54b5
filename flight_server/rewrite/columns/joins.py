"""Outer joins are turned: RIGHT into LEFT, USING and NATURAL into ON with the key of whichever side has it.

`a RIGHT JOIN b` becomes `b LEFT JOIN a`: with the padded side last the engine's filters find the right column. The
key of FULL JOIN USING is coalesce(a.k, b.k), that of RIGHT JOIN USING b.k, wherever the bare name stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlglot import exp

from flight_server.rewrite.tree.blocks import QUERIES, Block, Blocks, alias_of
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import all_of, call, column, folded, identifier
from storage.errors import NotSupported

_ONE_SIDED: Final = ("SEMI", "ANTI")


@dataclass(frozen=True, slots=True)
class Visible:
    """A column as `*` shows it: its name, and the columns of which the first that is not NULL is its value."""

    name: str
    columns: tuple[exp.Column, ...]

    def value(self) -> Tree:
        copies = [found.copy() for found in self.columns]
        return copies[0] if len(copies) == 1 else call("coalesce", *copies)

    def item(self) -> Tree:
        return self.value() if len(self.columns) == 1 else exp.Alias(this=self.value(), alias=identifier(self.name))


def has_mendable_joins(select: exp.Select) -> bool:
    """Whether there is a RIGHT join, or one with USING or NATURAL."""
    return any(_is_right(join) or _is_merging(join) for join in _all_joins(select))


def visible_columns(block: Block) -> tuple[Visible, ...]:
    """What `*` shows, in order. Raises NotSupported."""
    return tuple(found for group in _groups(block.select) for found in _group_columns(block, *group, rewrite=False))


def name_keys(blocks: Blocks, block: Block) -> None:
    """USING and NATURAL as ON. Stars of the block must be written out before (`stars.expand`). Raises NotSupported."""
    groups = _groups(block.select)
    columns = [found for group in groups for found in _group_columns(block, *group, rewrite=True)]
    _name_merged(
        blocks,
        block,
        {found.name: found for found in columns if len(found.columns) > 1 or found.name in _merged_names(block)},
    )
    for join in list(_all_joins(block.select)):
        _without_using(join)


def turn(block: Block) -> None:
    """RIGHT as LEFT; after `name_keys`."""
    _set_groups(block.select, [_turned(root, joins) for root, joins in _groups(block.select)])


def _merged_names(block: Block) -> frozenset[str]:
    return frozenset(name for join in _all_joins(block.select) for name in join.meta.get("merged", ()))


def _group_columns(block: Block, root: Tree, joins: Sequence[exp.Join], *, rewrite: bool) -> list[Visible]:
    found = _operand(block, root, rewrite=rewrite)
    for join in joins:
        found = _joined(found, _operand(block, join.this, rewrite=rewrite), join, rewrite=rewrite)
    return found


def _operand(block: Block, node: Tree, *, rewrite: bool) -> list[Visible]:
    if _is_bracket(node):
        found = _operand(block, node.this, rewrite=rewrite)
    else:
        found = _of_source(block, node)
    for join in node.args.get("joins") or []:
        found = _joined(found, _operand(block, join.this, rewrite=rewrite), join, rewrite=rewrite)
    return found


def _of_source(block: Block, node: Tree) -> list[Visible]:
    source = next((source for source in block.sources if source.node is node), None)
    assert source is not None
    alias = alias_of(block, source)
    return [Visible(name, (column(name, alias),)) for name in source.columns.names]


def _joined(left: list[Visible], right: list[Visible], join: exp.Join, *, rewrite: bool) -> list[Visible]:
    if join.kind in _ONE_SIDED and join.side != "RIGHT":
        return left
    if join.kind in _ONE_SIDED:
        return right
    names = _using(left, right, join)
    if not names:
        return left + right
    mine, theirs = ({one.name: one for one in side if one.name in names} for side in (left, right))
    if rewrite:
        join.meta["merged"] = names
        join.meta["on"] = all_of([exp.EQ(this=mine[name].value(), expression=theirs[name].value()) for name in names])
    merged = {name: _merged(mine[name], theirs[name], join.side) for name in names}
    return [merged.get(one.name, one) for one in left] + [one for one in right if one.name not in names]


def _merged(left: Visible, right: Visible, side: str) -> Visible:
    if side == "FULL":
        return replace(left, columns=left.columns + right.columns)
    return replace(left, columns=right.columns) if side == "RIGHT" else left


def _using(left: list[Visible], right: list[Visible], join: exp.Join) -> list[str]:
    if join.method == "NATURAL":
        theirs = {one.name for one in right}
        names = [one.name for one in left if one.name in theirs]
    else:
        names = [folded(one.this if isinstance(one, exp.Column) else one) for one in join.args.get("using") or []]
    for name in names:
        if any(sum(one.name == name for one in side) != 1 for side in (left, right)):
            raise NotSupported(f"column {name} of USING or NATURAL JOIN is not there exactly once on each side")
    return names


def _without_using(join: exp.Join) -> None:
    condition = join.meta.pop("on", None)
    if condition is not None:
        join.set("using", None)
        join.set("on", condition)
    if join.method == "NATURAL":
        join.set("method", None)
        if condition is None:
            join.set("on", exp.true())


def _name_merged(blocks: Blocks, block: Block, merged: dict[str, Visible]) -> None:
    """Write the value of each merged column where its bare name stands."""
    for found in list(block.select.find_all(exp.Column)):
        name = folded(found.this)
        if name not in merged or found.args.get("table") is not None or isinstance(found.this, exp.Star):
            continue
        if _is_of(blocks, block, found, name) and not _is_output_in_order(block, found, name):
            value = merged[name].value()
            is_item = found.parent is block.select and found.arg_key == "expressions"
            found.replace(exp.Alias(this=value, alias=identifier(name)) if is_item else value)


def _is_of(blocks: Blocks, block: Block, found: exp.Column, name: str) -> bool:
    """Whether a bare name means a column of this block, and of none within."""
    within = blocks.of(found)
    while within is not None and within is not block:
        if within.with_names(name):
            return False
        within = within.outer
    return within is block


def _is_output_in_order(block: Block, found: exp.Column, name: str) -> bool:
    """ORDER BY k means the column k of the result, if there is one."""
    ordered = found.parent
    if not isinstance(ordered, exp.Ordered) or ordered.parent is not block.select.args.get("order"):
        return False
    return any(folded(item.args["alias"]) == name for item in block.select.expressions if isinstance(item, exp.Alias))


def _groups(select: exp.Select) -> list[tuple[Tree, list[exp.Join]]]:
    """The parts between the commas of FROM: a first table and what is joined to it."""
    groups: list[tuple[Tree, list[exp.Join]]] = [(select.args["from_"].this, [])] if select.args.get("from_") else []
    for join in select.args.get("joins") or []:
        if _is_comma(join):
            groups.append((join.this, []))
        else:
            groups[-1][1].append(join)
    return groups


def _set_groups(select: exp.Select, groups: Sequence[tuple[Tree, Sequence[exp.Join]]]) -> None:
    (root, first), *others = groups
    joins = list(first)
    for other, more in others:
        joins += [exp.Join(this=other), *more]
    select.set("from_", exp.From(this=root))
    select.set("joins", joins or None)


def _turned(root: Tree, joins: Sequence[exp.Join]) -> tuple[Tree, list[exp.Join]]:
    """`L RIGHT JOIN R ON c` as `R LEFT JOIN (L) ON c`, the last one first."""
    root = _turned_operand(root)
    for join in joins:
        join.set("this", _turned_operand(join.this))
    last = max((at for at, join in enumerate(joins) if _is_right(join)), default=None)
    if last is None:
        return root, list(joins)
    left, inner = _turned(root, joins[:last])
    join = joins[last]
    padded = exp.Join(this=_bracket(left, inner), side="LEFT", on=join.args.get("on"))
    return _bracket(join.this, []), [padded, *joins[last + 1 :]]


def _turned_operand(node: Tree) -> Tree:
    inner = node.this if _is_bracket(node) else node
    joins = inner.args.get("joins")
    if not joins:
        return node
    inner.set("joins", None)
    return _bracket(*_turned(inner, joins))


def _bracket(root: Tree, joins: Sequence[exp.Join]) -> Tree:
    if not joins and not root.args.get("joins"):
        return root
    if joins:
        root.set("joins", list(joins))
    return exp.Subquery(this=root)


def _all_joins(select: exp.Select) -> Iterator[exp.Join]:
    from_ = select.args.get("from_")
    if from_ is not None:
        yield from _joins_in(from_.this)
    for join in select.args.get("joins") or []:
        yield join
        yield from _joins_in(join.this)


def _joins_in(node: Tree) -> Iterator[exp.Join]:
    if _is_bracket(node):
        yield from _joins_in(node.this)
        return
    for join in node.args.get("joins") or []:
        yield join
        yield from _joins_in(join.this)


def _is_bracket(node: Tree) -> bool:
    return (
        isinstance(node, exp.Subquery)
        and not isinstance(node.this, (*QUERIES, exp.Values))
        and not node.args.get("alias")
    )


def _is_right(join: exp.Join) -> bool:
    return join.side == "RIGHT" and join.kind not in _ONE_SIDED


def _is_merging(join: exp.Join) -> bool:
    return join.method == "NATURAL" or bool(join.args.get("using"))


def _is_comma(join: exp.Join) -> bool:
    return not any(join.args.get(key) for key in ("side", "kind", "method", "on", "using"))
