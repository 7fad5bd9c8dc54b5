"""Output names are kept when an expression is rewritten, and allowed to be there twice."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flight_server.rewrite.columns.casts import unwrapped
from flight_server.rewrite.columns.stars import is_star
from flight_server.rewrite.tree.blocks import Block, Blocks, table_nodes
from flight_server.rewrite.tree.dialect import Tree, written
from flight_server.rewrite.tree.names import folded, identifier
from storage.errors import FrostlineError


class KeptNames:
    """The items of blocks whose names are seen, as they were; `restore` gives what changed its old name."""

    def __init__(self) -> None:
        self._kept: list[tuple[Block, list[tuple[str, Tree]]]] = []

    def keep(self, block: Block) -> None:
        """Once for each block, when its stars are written out that are to be."""
        if block.is_named:
            items = [unwrapped(item) for item in block.select.expressions]
            self._kept.append((block, [(written(item), item) for item in items]))

    def restore(self, blocks: Blocks, hidden: Iterator[str]) -> dict[str, str]:
        """Returns new name -> name as it was, for those that would be taken for the name of another column."""
        names: dict[str, str] = {}
        for block, kept in self._kept:
            for item, (text, before) in zip(list(block.select.expressions), kept, strict=True):
                if isinstance(item, (exp.Alias, exp.Column)) or is_star(item) or written(item) == text:
                    continue
                name = shown = name_of(blocks, block, before)
                if name in _names_of_columns(block.select):
                    name = next(hidden)
                    names[name] = shown
                item.replace(exp.Alias(this=item.copy(), alias=identifier(name)))
        return names


def _names_of_columns(select: exp.Select) -> set[str]:
    """As the engine may call the plain columns among the items: `x`, `t.x`."""
    found = set()
    for item in select.expressions:
        if isinstance(item, exp.Column):
            table = folded(item.args.get("table"))
            found |= {folded(item.this), f"{table}.{folded(item.this)}"}
            found |= {f"{folded(_alias_of(node))}.{folded(item.this)}" for node in table_nodes(select)}
    return found


def _alias_of(node: Tree) -> Tree | None:
    alias = node.args.get("alias")
    return alias.this if isinstance(alias, exp.TableAlias) else node.this


def name_of(blocks: Blocks, block: Block, item: Tree) -> str:
    """As the engine calls the item; its text where the engine can't tell."""
    if isinstance(item, exp.Alias):
        return folded(item.args["alias"])
    if isinstance(item, exp.Column):
        return folded(item.this)
    for grouped in (True, False):
        probe = blocks.bare(block)
        probe.set("expressions", [blocks.closed(item, block)])
        probe.set("windows", [window.copy() for window in block.select.args.get("windows") or []] or None)
        group = block.select.args.get("group")
        if grouped and group is not None:
            probe.set("group", blocks.closed(group, block))
        try:
            return str(blocks.schema(block, probe).names[0])
        except FrostlineError:
            continue
    return written(item)


def tell_apart(blocks: Blocks, block: Block, hidden: Iterator[str]) -> dict[str, str]:
    """Give the second of two equal output names another one, and one that ORDER BY has for another column.

    Returns new name -> name as written.
    """
    names: dict[str, str] = {}
    seen = _ordered_by_other_tables(block)
    for item in list(block.select.expressions):
        name = name_of(blocks, block, unwrapped(item))
        if name in seen:
            new = next(hidden)
            names[new] = name
            item.replace(exp.Alias(this=item.unalias().copy(), alias=identifier(new)))
        seen.add(name)
    return names


def _ordered_by_other_tables(block: Block) -> set[str]:
    """Names by which ORDER BY means columns of tables, aliases or not: `SELECT b AS a .. ORDER BY t.a`."""
    order = block.select.args.get("order")
    if order is None or block.select.parent is not None:
        return set()
    keys = list(order.find_all(exp.Column))
    bare = {folded(key.this) for key in keys if not key.args.get("table")}
    return {folded(key.this) for key in keys if key.args.get("table")} - bare
