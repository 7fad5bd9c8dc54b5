"""Judges answers that differ because SQL's expressions have one type and SQLite's values have each their own.

`COALESCE(28, AVG(a)) / 3` is an integer division in SQLite when the value is 28. By the standard both have the common
type, here REAL, so it is 9.333. To know that a difference is this and nothing else, SQLite itself is asked again, with
every branch of such an expression made REAL, and has to give what Frostline gave.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

from sqlglot import ParseError, exp, parse_one

from tests.sqllogic.sqlite.results import arranged
from tests.sqllogic.sqlite.script import Query

_CHOICES = (exp.Nullif, exp.Coalesce, exp.Case)
_REAL_TYPES = (exp.DataType.Type.FLOAT, exp.DataType.Type.DOUBLE)
_KEEP_TYPE = (exp.Binary, exp.Neg, exp.Paren, exp.Min, exp.Max, exp.Sum, exp.Abs, exp.Distinct, exp.Tuple)
_NO_NUMBERS = (exp.Predicate, exp.Connector)


def answer_by_fixed_types(query: Query, statements: Iterable[str]) -> list[str] | None:
    """SQLite's, over what the statements made; None where types make no difference or can't be told."""
    text = with_fixed_types(query.sql)
    if text is None:
        return None
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            for statement in statements:
                database.execute(statement)
            rows = database.execute(text).fetchall()
        except sqlite3.Error:
            return None
    return arranged(rows, query.types, query.sort)


def with_fixed_types(sql: str) -> str | None:
    """The query with all branches REAL of expressions that have REAL branches among others; None if it has none."""
    try:
        tree = parse_one(sql, read="sqlite")
    except ParseError:
        return None
    mixed = [branch for choice in tree.find_all(*_CHOICES) for branch in _mixed(choice)]
    for branch in mixed:
        real = exp.Mul(this=exp.Literal.number("1.0"), expression=exp.Paren(this=branch.copy()))
        branch.replace(exp.Paren(this=real))
    return tree.sql(dialect="sqlite") if mixed else None


def _mixed(choice: exp.Expr) -> Iterator[exp.Expr]:
    branches = list(_branches(choice))
    if any(map(_is_real, branches)):
        yield from (branch for branch in branches if not _is_real(branch))


def _branches(choice: exp.Expr) -> Iterator[exp.Expr]:
    """What may become its value, or give the value its type."""
    if isinstance(choice, exp.Case):
        yield from (branch.args["true"] for branch in choice.args["ifs"])
        if choice.args.get("default") is not None:
            yield choice.args["default"]
        return
    yield choice.this
    yield from [choice.expression] if isinstance(choice, exp.Nullif) else choice.expressions


def _is_real(found: Any) -> bool:
    if isinstance(found, _CHOICES):
        return any(map(_is_real, _branches(found)))
    if isinstance(found, exp.Cast):
        return found.to.this in _REAL_TYPES
    if isinstance(found, exp.Literal):
        return not found.is_string and not found.is_int
    if isinstance(found, exp.Avg):
        return True
    if isinstance(found, _KEEP_TYPE) and not isinstance(found, _NO_NUMBERS):
        return any(_is_real(child) for child in found.iter_expressions())
    return False
