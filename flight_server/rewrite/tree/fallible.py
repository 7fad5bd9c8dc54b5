"""Fallible expressions end the statement for some values of an operand: divisions for 0, casts for other texts."""

from __future__ import annotations

from sqlglot import exp

from flight_server.rewrite.tree.dialect import Tree


def fallible(node: Tree) -> list[Tree]:
    """The operands on which it depends whether `node` fails, but for those in subqueries. For a NULL nothing fails."""
    home = node.find_ancestor(exp.Select)
    found = [one.expression for one in node.find_all(exp.Div, exp.Mod)]
    found += [one.this for one in node.find_all(exp.Cast) if not isinstance(one, exp.TryCast) and not _is_text(one.to)]
    return [one for one in found if not isinstance(one, exp.Literal) and one.find_ancestor(exp.Select) is home]


def _is_text(kind: exp.DataType) -> bool:
    return kind.this in exp.DataType.TEXT_TYPES
