"""Derived tables that name columns from outside are refused: the engine takes these for missing columns."""

from __future__ import annotations

from sqlglot import exp

from flight_server.rewrite.tree.blocks import table_nodes
from flight_server.rewrite.tree.dialect import Tree, read, written
from flight_server.rewrite.tree.names import folded
from storage.errors import NotSupported


def refuse_outside_names(sql: str) -> None:
    """Raises NotSupported for a derived table within a subquery that names a table around that, or unreadable text."""
    for derived in read(sql).find_all(exp.Subquery):
        if not isinstance(derived.parent, (exp.From, exp.Join)) or not isinstance(derived.this, exp.Select):
            continue
        inside = {alias for select in derived.find_all(exp.Select) for alias in _aliases(select)}
        around = {alias for select in _selects_around(derived) for alias in _aliases(select)}
        for found in derived.find_all(exp.Column):
            table = folded(found.args.get("table"))
            if table and table not in inside and table in around:
                raise NotSupported(
                    f"a derived table within a subquery can't name a column from outside of it ({written(found)}); "
                    "write the condition into the WHERE of the subquery itself, or use a join"
                )


def _selects_around(node: Tree) -> list[exp.Select]:
    """Without the one that the derived table stands in."""
    found = []
    select = node.find_ancestor(exp.Select)
    while select is not None:
        select = select.find_ancestor(exp.Select)
        if isinstance(select, exp.Select):
            found.append(select)
    return found


def _aliases(select: exp.Select) -> set[str]:
    if select.args.get("from_") is None:
        return set()
    return {
        folded(node.args.get("alias") and node.args["alias"].this) or folded(node.name) for node in table_nodes(select)
    }
