"""Aliases that an inner column is named like are renamed: `x AS b WHERE EXISTS (SELECT 1 FROM y WHERE y.k = b.k)`.

The engine looks for a field k of the column b; SQL looks for a table b first, also around the subquery.
"""

from __future__ import annotations

from itertools import count

from sqlglot import exp

from flight_server.rewrite.tree.blocks import Block, Blocks, Source
from flight_server.rewrite.tree.names import HIDDEN, folded


def rename_hidden_aliases(blocks: Blocks) -> None:
    """Give each such alias a name that nothing else has."""
    fresh = (f"{HIDDEN}t{number}" for number in count(1))
    for block, source in list(_hidden(blocks)):
        blocks.renamed(block, source, next(fresh))


def _hidden(blocks: Blocks) -> list[tuple[Block, Source]]:
    found: dict[int, tuple[Block, Source]] = {}
    for block in blocks.all:
        for column in block.select.find_all(exp.Column):
            table = folded(column.args.get("table"))
            inner = blocks.of(column)
            meaning = blocks.meaning(column) if table else None
            if meaning is None or inner is None or meaning[1].alias != table:
                continue
            around: Block | None = inner
            while around is not None and around is not meaning[0]:
                if around.with_names(table):
                    found[id(meaning[1])] = meaning
                around = around.outer
    return list(found.values())
