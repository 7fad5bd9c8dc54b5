"""Identifiers are folded as the engine folds them, and new ones are made that no author has written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from flight_server.rewrite.tree.dialect import Tree
from storage.catalog.names import RESERVED_PREFIX
from storage.catalog.names import folded as folded_text

HIDDEN: Final = RESERVED_PREFIX  # how names that are made here begin


def folded(identifier: Tree | str | None) -> str:
    """The name that the engine looks for: unquoted ones in lower case."""
    if identifier is None or isinstance(identifier, str):
        return folded_text(identifier or "")
    name = identifier.name
    return name if identifier.args.get("quoted") else folded_text(name)


def identifier(name: str) -> exp.Identifier:
    """Always quoted, so that nothing is folded."""
    return exp.Identifier(this=name, quoted=True)


def column(name: str, table: str = "") -> exp.Column:
    return exp.Column(this=identifier(name), table=identifier(table) if table else None)


def call(name: str, *arguments: Tree) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def is_call(node: Tree | None, *names: str) -> bool:
    """Whether it is a call of one of these functions (lower case)."""
    return isinstance(node, exp.Anonymous) and isinstance(node.this, str) and node.this.lower() in names


def literal(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def number(value: int) -> exp.Literal:
    return exp.Literal(this=str(value), is_string=False)


def all_of(conditions: Sequence[Tree]) -> Tree:
    """Joined by AND, each in brackets where it needs them."""
    return _joined(exp.And, conditions)


def any_of(conditions: Sequence[Tree]) -> Tree:
    """Joined by OR."""
    return _joined(exp.Or, conditions)


def _joined(kind: type[exp.And | exp.Or], conditions: Sequence[Tree]) -> Tree:
    whole, *rest = [bracketed(one) for one in conditions]
    for one in rest:
        whole = kind(this=whole, expression=one)
    return whole


def conjuncts(clause: Tree | None) -> list[Tree]:
    """The conditions of a WHERE or HAVING, or of an expression, that all have to hold; none of no clause."""
    condition = clause.this if isinstance(clause, (exp.Where, exp.Having)) else clause
    return operands(condition, exp.And) if condition is not None else []


def operands(node: Tree, kind: type[Tree]) -> list[Tree]:
    """Of a chain of AND or OR, from left to right, as they stand in the tree."""
    found: list[Tree] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        bare = one.this if isinstance(one, exp.Paren) and isinstance(one.this, kind) else one
        if isinstance(bare, kind):
            waiting += [bare.args["expression"], bare.this]
        else:
            found.append(one)
    return found


def bracketed(node: Tree) -> Tree:
    """An operand that keeps its meaning wherever it is put."""
    plain = (exp.Column, exp.Literal, exp.Anonymous, exp.Paren, exp.Null, exp.Boolean, exp.Cast, exp.Case, exp.Exists)
    return node if isinstance(node, plain) else exp.Paren(this=node)
