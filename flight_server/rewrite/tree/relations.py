"""Relations say what the catalog knows of the tables that a query names."""

from __future__ import annotations

from typing import Protocol

from sqlglot import exp

from flight_server.rewrite.tree.blocks import Block, Source
from flight_server.rewrite.tree.names import folded


class Relations(Protocol):
    """namespace: "" for the session's."""

    def key_of(self, namespace: str, name: str) -> tuple[str, ...]:
        """The columns of the table's primary key; none if it has none, or is no table."""

    def is_view(self, namespace: str, name: str) -> bool: ...


def relation_of(block: Block, source: Source) -> tuple[str, str] | None:
    """The namespace and name of a table or view; None for what stands in the query itself."""
    node = source.node
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier) or common_of(block, source):
        return None
    return folded(node.args.get("db")), folded(node.this)


def common_of(block: Block, source: Source) -> exp.CTE | None:
    """The common table that the source means."""
    node = source.node
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier) or node.args.get("db"):
        return None
    name = folded(node.this)
    return next((table for table in reversed(block.common) if folded(table.args["alias"].this) == name), None)
