"""Qualifiers, `shop.items.price`, are shortened to the name of the table: rewrites put tables into derived ones, which
have no namespace. Where two tables of the query have one name, they get names of their own before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlglot import exp

from flight_server.rewrite.tree.blocks import Blocks, Source
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import folded, identifier


def shorten_qualifiers(tree: Tree, blocks: Blocks, hidden: Iterator[str]) -> None:
    """Only if some column has a namespace before its table."""
    columns = [found for found in tree.find_all(exp.Column) if found.args.get("table")]
    if not any(found.args.get("db") for found in columns):
        return
    meant = [(found, _source(blocks, found)) for found in columns]
    uses = Counter(source.alias for block in blocks.all for source in block.sources)
    for source in {id(one): one for found, one in meant if one is not None and found.args.get("db")}.values():
        if uses[source.alias] > 1:
            source.alias = next(hidden)
            source.node.set("alias", exp.TableAlias(this=identifier(source.alias)))
    for found, one in meant:
        if one is not None and isinstance(found.this, exp.Star) and isinstance(one.node, exp.Table):
            one.node.set("alias", exp.TableAlias(this=identifier(one.alias)))
        if one is not None and (found.args.get("db") or one.alias != folded(found.args["table"])):
            found.set("table", identifier(one.alias))
            found.set("db", None)
            found.set("catalog", None)


def _source(blocks: Blocks, found: exp.Column) -> Source | None:
    """The nearest one that the column's qualifier fits."""
    block = blocks.of(found)
    while block is not None:
        source = next((one for one in block.sources if _fits(one, found)), None)
        if source is not None:
            return source
        block = block.outer
    return None


def _fits(source: Source, found: exp.Column) -> bool:
    namespace, node = found.args.get("db"), source.node
    if source.alias != folded(found.args["table"]):
        return False
    if namespace is None:
        return True
    is_plain = isinstance(node, exp.Table) and not node.args.get("alias")
    return is_plain and folded(node.args.get("db")) == folded(namespace)
