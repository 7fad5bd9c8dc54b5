"""GROUP BY a primary key is given the other columns that are selected, since the key determines them."""

from __future__ import annotations

from sqlglot import exp

from flight_server.rewrite.tree.aggregates import is_aggregate
from flight_server.rewrite.tree.blocks import Block, Blocks, Source
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import folded
from flight_server.rewrite.tree.relations import Relations, relation_of
from storage.whole_numbers import whole_number


def add_determined_columns(blocks: Blocks, block: Block, relations: Relations) -> None:
    """Group by the columns that a key in GROUP BY determines and that stand outside of aggregates."""
    group = block.select.args.get("group")
    if group is None or any(group.find(kind) for kind in (exp.Rollup, exp.Cube, exp.GroupingSets)):
        return
    grouped = [found for found in group.expressions if isinstance(found, exp.Column)]
    grouped += [item for item in _by_position(block, group) if isinstance(item, exp.Column)]
    for source in block.sources:
        relation = relation_of(block, source)
        key = relations.key_of(*relation) if relation is not None else ()
        if key and set(key) <= {folded(one.this) for one in grouped if _is_of(blocks, one, source)}:
            _add(blocks, block, source, group, {folded(one.this) for one in grouped})


def _add(blocks: Blocks, block: Block, source: Source, group: exp.Group, known: set[str]) -> None:
    for found in list(block.select.find_all(exp.Column)):
        name = folded(found.this)
        if (
            name in known
            or name not in source.columns.names
            or not _is_of(blocks, found, source)
            or _is_aggregated(found)
        ):
            continue
        known.add(name)
        group.append("expressions", found.copy())


def _is_of(blocks: Blocks, found: exp.Column, source: Source) -> bool:
    meaning = blocks.meaning(found)
    return meaning is not None and meaning[1] is source


def _is_aggregated(found: Tree) -> bool:
    """Within an aggregate, or where rows are not grouped yet."""
    node: Tree | None = found
    while node is not None and not isinstance(node, exp.Select):
        if is_aggregate(node) or isinstance(node, (exp.Where, exp.From, exp.Join, exp.Group)):
            return True
        node = node.parent
    return False


def _by_position(block: Block, group: exp.Group) -> list[Tree]:
    items = block.select.expressions
    ordinals = [whole_number(one.this) for one in group.expressions if isinstance(one, exp.Literal)]
    return [items[at - 1].unalias() for at in ordinals if at is not None and 0 < at <= len(items)]
