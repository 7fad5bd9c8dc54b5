"""Stars are written out as columns, where the order or the names of the columns would change otherwise."""

from __future__ import annotations

from sqlglot import exp

from flight_server.rewrite.columns.joins import Visible, visible_columns
from flight_server.rewrite.tree.blocks import Block
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import column, folded
from storage.errors import NotSupported


def expand(block: Block) -> None:
    """Replace each star among the block's items. Raises NotSupported."""
    items: list[Tree] = []
    for item in block.select.expressions:
        items += _expanded(block, item)
    block.select.set("expressions", items)


def has_star(select: exp.Select) -> bool:
    return any(is_star(item) for item in select.expressions)


def is_star(item: Tree) -> bool:
    return isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))


def _expanded(block: Block, item: Tree) -> list[Tree]:
    if not is_star(item):
        return [item]
    star = item if isinstance(item, exp.Star) else item.this
    shown = visible_columns(block) if star is item else _of_source(block, folded(item.args.get("table")))
    if star.args.get("rename") or star.args.get("ilike"):
        raise NotSupported("* RENAME and * ILIKE are not supported here; write the columns out")
    left_out = {folded(one) for one in star.args.get("except_") or []}
    instead = {folded(one.args["alias"]): one for one in star.args.get("replace") or []}
    return [instead.get(one.name) or one.item() for one in shown if one.name not in left_out]


def _of_source(block: Block, alias: str) -> tuple[Visible, ...]:
    source = block.called(alias)
    if source is None:
        raise NotSupported(f"there is no table {alias} for {alias}.*")
    return tuple(Visible(name, (column(name, alias),)) for name in source.columns.names)
