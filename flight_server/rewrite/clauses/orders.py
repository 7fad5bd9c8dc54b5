"""Orders above a LIMIT with OFFSET get a LIMIT too: `SELECT a FROM (.. ORDER BY a LIMIT 2 OFFSET 1) AS q ORDER BY a`.

Where both orders agree the engine leaves the outer one out, and takes the rows that OFFSET skips from the limit twice.
An order with a limit of its own, the largest of all, is not left out so.
"""

from __future__ import annotations

from sqlglot import exp

from flight_server.rewrite.clauses.barriers import put_limit
from flight_server.rewrite.tree.blocks import QUERIES, Blocks


def limit_orders(blocks: Blocks) -> None:
    """All queries that are ordered without a limit."""
    root = blocks.all[0].select.root() if blocks.all else None
    for query in list(root.find_all(*QUERIES, exp.Subquery)) if root is not None else []:
        if query.args.get("order") is not None:
            put_limit(query)
