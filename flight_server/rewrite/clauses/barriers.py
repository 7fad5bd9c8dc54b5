"""Barriers keep the filters of a derived table beneath a division of the query around it.

The engine makes one filter of `WHERE 10 / k > 1` and the `WHERE k <> 0` of a derived table, a common table or a view,
and computes both for whole batches. No filter goes past a LIMIT; so there the inner one gets the largest of all.
"""

from __future__ import annotations

from typing import Final

from sqlglot import exp

from flight_server.rewrite.tree.blocks import QUERIES, Block, Blocks, Source
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.fallible import fallible
from flight_server.rewrite.tree.names import identifier, number
from flight_server.rewrite.tree.relations import Relations, common_of, relation_of

_NO_LIMIT: Final = (1 << 63) - 1


def keep_filters_apart(blocks: Blocks, relations: Relations) -> None:
    """Beneath conditions that divide, and beneath columns that divide where somebody around may filter by them."""
    for block in blocks.all:
        if _divides_in_conditions(block) or (_divides_in_items(block) and blocks.is_inner(block)):
            for source in block.sources:
                _limit(block, source, relations)
        if blocks.is_inner(block) and block.select.args.get("group") and _divides_in_items(block):
            put_limit(block.select)  # a filter on a key goes beneath the groups


def _divides_in_conditions(block: Block) -> bool:
    select = block.select
    conditions = [select.args.get("where"), select.args.get("having"), *(select.args.get("joins") or [])]
    return any(one is not None and fallible(one) for one in conditions)


def _divides_in_items(block: Block) -> bool:
    return any(fallible(item) for item in block.select.expressions)


def _limit(block: Block, source: Source, relations: Relations) -> None:
    common = common_of(block, source)
    relation = relation_of(block, source)
    if common is not None:
        if not block.recursive:
            put_limit(common.this)
    elif isinstance(source.node, exp.Subquery):
        put_limit(source.node.this)
    elif relation is not None and relations.is_view(*relation):
        _wrap(source)


def put_limit(query: Tree) -> None:
    """The largest one, unless the query has one."""
    if isinstance(query, (*QUERIES, exp.Subquery)) and not query.args.get("limit"):
        query.set("limit", exp.Limit(expression=number(_NO_LIMIT)))


def _wrap(source: Source) -> None:
    """A view becomes a derived table of its own name."""
    view = source.node.copy()
    alias = view.args.get("alias") or exp.TableAlias(this=identifier(source.alias))
    view.set("alias", None)
    view.set("joins", None)
    inner = exp.Select(expressions=[exp.Star()], from_=exp.From(this=view))
    put_limit(inner)
    derived = exp.Subquery(this=inner, alias=alias, joins=source.node.args.get("joins"))
    source.node.replace(derived)
    source.node = derived
