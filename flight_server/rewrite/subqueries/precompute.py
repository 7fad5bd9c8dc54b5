"""Subqueries in ON, ORDER BY, FILTER and windows, where the engine takes none, become a column of their table.

`FROM a LEFT JOIN b ON a.x IN (..)` becomes `FROM (SELECT a.*, a.x IN (..) AS p FROM a) AS a LEFT JOIN b ON a.p`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

from sqlglot import exp

from flight_server.rewrite.columns.stars import has_star
from flight_server.rewrite.tree.aggregates import is_aggregate
from flight_server.rewrite.tree.blocks import QUERIES, Block, Blocks, Source
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import HIDDEN, column, folded, identifier
from storage.errors import NotSupported

_TAKES_NONE: Final = (exp.Join, exp.Ordered, exp.Window, exp.Filter, exp.Group)


def precompute(blocks: Blocks) -> None:
    """Raises NotSupported where more than one table's columns are in such a subquery."""
    fresh = (f"{HIDDEN}p{number}" for number in count(1))
    for block in list(blocks.all):
        for predicate, context in list(_predicates(block)):
            source = _source(blocks, block, predicate, context)
            _move(blocks, block, source, predicate, next(fresh))


def needs_columns(block: Block) -> bool:
    """Whether stars must be written out, since a column is to be added."""
    return has_star(block.select) and next(_predicates(block), None) is not None


def _predicates(block: Block) -> Iterator[tuple[Tree, Tree]]:
    for node in block.select.find_all(exp.Exists, exp.In, exp.Subquery):
        if node.find_ancestor(exp.Select) is not block.select or not _holds_query(node):
            continue
        context = node.parent
        while context is not None and not isinstance(context, (exp.Select, *_TAKES_NONE)) and not is_aggregate(context):
            context = context.parent
        if context is not None and context is not block.select:
            yield node, context


def _holds_query(node: Tree) -> bool:
    if isinstance(node, exp.In):
        return node.args.get("query") is not None
    if isinstance(node, exp.Exists):
        return True
    inside = (exp.From, exp.Join, exp.In, exp.Exists, exp.SetOperation, exp.Lateral, exp.Subquery, exp.Table)
    is_table = isinstance(node.parent, inside) and node.arg_key != "on"
    return isinstance(node.this, QUERIES) and not is_table


def _source(blocks: Blocks, block: Block, predicate: Tree, context: Tree) -> Source:
    used: dict[int, Source] = {}
    for found in predicate.find_all(exp.Column):
        meaning = blocks.meaning(found)
        if meaning is not None and meaning[0] is block:
            used[id(meaning[1])] = meaning[1]
    sources = list(used.values()) or block.sources[:1]
    is_padded = len(block.sources) > 1 and not isinstance(context, exp.Join)
    if len(sources) != 1 or not sources[0].alias or is_padded or isinstance(sources[0].node, exp.Lateral):
        raise NotSupported(
            "a subquery in ON, ORDER BY, FILTER or OVER can use the columns of one table only; "
            "select it as a column in a derived table"
        )
    return sources[0]


def _move(blocks: Blocks, block: Block, source: Source, predicate: Tree, name: str) -> None:
    placeholder = column(name, source.alias)
    same = [one for one in block.select.find_all(type(predicate)) if one is not predicate and one == predicate]
    for one in [*same, predicate]:
        if one.find_ancestor(exp.Select) is block.select:
            one.replace(placeholder.copy())
    node = source.node
    joins, alone = node.args.get("joins"), node.copy()
    alone.set("joins", None)
    if not alone.args.get("alias"):  # the engine knows `shop.items.*` and not `items.*`
        alone.set("alias", exp.TableAlias(this=identifier(source.alias)))
    star = exp.Column(this=exp.Star(), table=identifier(source.alias))
    select = exp.Select(
        expressions=[star, exp.Alias(this=predicate, alias=identifier(name))], from_=exp.From(this=alone)
    )
    derived = exp.Subquery(this=select, alias=exp.TableAlias(this=identifier(source.alias)), joins=joins)
    node.replace(derived)
    inner = Block(
        select, block.outer, block.common, block.recursive, False, [Source(source.alias, alone, source.columns)]
    )
    blocks.add_behind(block, inner)
    source.node = derived
    for found in predicate.find_all(exp.Column):
        if found.find_ancestor(exp.Select) is select and folded(found.args.get("table")) == "":
            found.set("table", identifier(source.alias))
