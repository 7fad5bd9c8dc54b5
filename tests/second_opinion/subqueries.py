"""Subqueries stand where a condition or a value may: K3 (EXISTS, IN), K10c (NOT IN), K10d (by <), K10e (as values)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.second_opinion.expressions import Expressions, columns_of
from tests.second_opinion.pieces import Part, all_of, filled, listed, row
from tests.second_opinion.questions import Making, Question, question
from tests.second_opinion.tables import Table

EQUAL: Final = ("{y} = {x}",)
UNEQUAL: Final = ("{y} < {x}", "{y} > {x}", "{y} <= {x}", "{y} <> {x}")
AGGREGATES: Final = ("count(*)", "count({y})", "max({y})", "min({y})", "sum({y})", "count(DISTINCT {y})")
INTEGERS: Final = ("id", "k", "x", "big", "tiny")
COMPARED: Final = ("=", "<>", "<", ">", ">=")


@dataclass(frozen=True, slots=True)
class Inner:
    """A subquery over `b` within a query over `a`."""

    making: Making
    outer: Table
    table: Table

    @property
    def x(self) -> str:
        return f"a.{self._integer(self.outer)}"

    @property
    def y(self) -> str:
        return f"b.{self._integer(self.table)}"

    def _integer(self, table: Table) -> str:
        return self.making.random.choice([name for name in INTEGERS if name in table.columns])

    @property
    def over_outer(self) -> Expressions:
        return self.making.over(self.outer, "a")

    def source(self, correlations: Sequence[str], tests: int = 1) -> Part:
        """FROM and WHERE, correlated by each of these."""
        links = [filled(self.making.random.choice(EQUAL), y=self.y, x=self.x) for _ in correlations if _ == "="]
        links += [filled(self.making.random.choice(UNEQUAL), y=self.y, x=self.x) for _ in correlations if _ == "<"]
        own = self.making.over(self.table, "b").tests(tests, 0)
        return row(f" FROM {self.table.name} AS b", all_of([*links, *own], " WHERE "))

    def correlations(self, *kinds: str) -> Sequence[str]:
        """None, or some of these."""
        return self.making.random.choice(([], [kinds[0]], [kinds[0]], list(kinds)))

    def exists(self, correlations: Sequence[str]) -> Part:
        source = self.source(correlations)
        aggregate = filled(self.making.random.choice(AGGREGATES), y=self.y)
        choice = self.making.random.randint(0, 6)
        if choice == 0:
            return row("EXISTS (SELECT ", aggregate, source, ")")
        if choice == 1:
            return row("EXISTS (SELECT 1", source, f" GROUP BY ROLLUP ({self.y}))")
        if choice == 2:
            return row(f"EXISTS (SELECT {self.y}", source, " GROUP BY 1 HAVING count(*) > 1)")
        if choice == 3:
            return row("EXISTS (SELECT ", aggregate, source, " HAVING count(*) > 1)")
        return row("EXISTS (SELECT ", self.making.random.choice(("1", "b.id", "*", "NULL AS n")), source, ")")

    def within(self, correlations: Sequence[str], *words: str) -> Part:
        word = self.making.random.choice(words or ("IN", "NOT IN"))
        value: Part = self.y
        if self.making.chance(0.15):
            value = filled(self.making.random.choice(AGGREGATES), y=self.y)
        return row(f"{self.x} {word} (SELECT ", value, self.source(correlations), ")")

    def scalar(self, correlations: Sequence[str]) -> Part:
        aggregate = filled(self.making.random.choice(AGGREGATES), y=self.y)
        return row("(SELECT ", aggregate, self.source(correlations), ")")


def _inner(making: Making) -> Inner:
    return Inner(making, making.random.choice(making.tables), making.random.choice(making.tables))


def _asked(making: Making, kind: str, inner: Inner, condition: Part) -> Question:
    """Rows for which the condition holds, sometimes their number or groups."""
    tests = [condition, *inner.over_outer.tests(1, 0)]
    where = all_of(tests, " WHERE ", least=0)
    source = row(f" FROM {inner.outer.name} AS a", where)
    match making.random.randint(0, 9):
        case 0:
            query = row("SELECT count(*) AS n, sum(a.id) AS s", source)
        case 1:
            query = row("SELECT a.k, count(*) AS n", source, " GROUP BY a.k")
        case 2:
            query = row("SELECT DISTINCT a.k", source)
        case _:
            query = row("SELECT ", listed(["a.id", "a.k"]), source)
    return question(kind, making, query)


def _placed(making: Making, inner: Inner, condition: Part) -> Part:
    """The condition under NOT, OR, CASE, or as it is."""
    other = inner.over_outer.test(0)
    template = making.random.choice(
        (
            "{c}", "{c}", "NOT ({c})", "({c} OR {o})", "({o} OR {c})", "({c} OR {o})", "NOT ({c} OR {o})",
            "NOT ({c} AND {o})", "CASE WHEN {o} THEN {c} ELSE {o} END", "({c}) IS NOT TRUE",
        )
    )  # fmt: skip
    return filled(template, (condition,), c=condition, o=other)


def conditions(making: Making) -> Question:
    """K3: EXISTS, IN and NOT IN, correlated by = or not at all."""
    inner = _inner(making)
    correlations = inner.correlations("=")
    condition = _condition(making, inner, correlations)
    if making.chance(0.15):
        second = inner.exists(()) if making.chance(0.5) else inner.within(("=",), "IN")
        operator = making.random.choice(("AND", "OR"))
        condition = filled(f"({{a}} {operator} {{b}})", (condition, second), a=condition, b=second)
    return _asked(making, "K3", inner, _placed(making, inner, condition))


def _condition(making: Making, inner: Inner, correlations: Sequence[str]) -> Part:
    return inner.exists(correlations) if making.chance(0.5) else inner.within(correlations)


def not_in(making: Making) -> Question:
    """K10c: NOT IN, correlated by another column."""
    inner = _inner(making)
    return _asked(making, "K10c", inner, _placed(making, inner, inner.within(["="], "NOT IN")))


def by_order(making: Making) -> Question:
    """K10d: aggregates, EXISTS and IN that are correlated by <."""
    inner = _inner(making)
    links = making.random.choice((["<"], ["<"], ["<", "="]))
    kind = making.random.randint(0, 3)
    if kind == 0:
        return _asked(making, "K10d", inner, _placed(making, inner, inner.exists(links)))
    if kind == 1:
        return _asked(making, "K10d", inner, _placed(making, inner, inner.within(links)))
    scalar = inner.scalar(links)
    if kind == 2:
        return _asked(making, "K10d", inner, row(scalar, f" {making.random.choice(COMPARED)} {inner.x}"))
    where = inner.over_outer.where(1, 0)
    return question("K10d", making, row("SELECT a.id, ", scalar, f" AS v FROM {inner.outer.name} AS a", where))


def scalars(making: Making) -> Question:
    """K3: aggregates as values, correlated by = or not at all: as an item, in WHERE, in HAVING, in CASE."""
    inner = _inner(making)
    scalar = inner.scalar(inner.correlations("="))
    source = row(f" FROM {inner.outer.name} AS a", inner.over_outer.where(1, 0))
    choice = making.random.randint(0, 4)
    if choice == 0:
        return _asked(making, "K3", inner, row(scalar, f" {making.random.choice(COMPARED)} {inner.x}"))
    if choice == 1:
        query = row("SELECT a.k, count(*) AS n", source, " GROUP BY a.k HAVING count(*) < ", inner.scalar(()))
        return question("K3", making, query)
    value = making.random.choice(("{s}", "{s}", "coalesce({s}, -1)", "CASE WHEN a.k > 1 THEN {s} ELSE 0 END"))
    return question("K3", making, row("SELECT a.id, ", filled(value, s=scalar), " AS v", source))


def lookups(making: Making) -> Question:
    """K10d: one row's value, by a unique column or the first in order."""
    outer, inner = making.random.choice(making.tables), making.random.choice(making.tables)
    columns = columns_of(inner, "b", ("till", "s", "gap", "tags"))
    value = making.over(inner, "b").value(making.random.choice(columns).family, 1)
    if making.chance(0.5):
        query: Part = row("SELECT ", value, f" FROM {inner.name} AS b WHERE b.id = a.id")
    else:
        compared = making.random.choice(("b.id >= a.id", "b.k = a.k", "b.id <> a.k", "b.name = a.name"))
        order = making.random.choice(("b.id", "b.id DESC", "b.k DESC NULLS LAST, b.id"))
        query = row("SELECT ", value, f" FROM {inner.name} AS b WHERE {compared} ORDER BY {order} LIMIT 1")
    where = making.over(outer, "a").where(1, 0)
    return question("K10d", making, row("SELECT a.id, (", query, f") AS v FROM {outer.name} AS a", where))


def as_values(making: Making) -> Question:
    """K10e: EXISTS, IN and NOT IN as values: items, CASE, FILTER, HAVING, ON, sums."""
    inner = _inner(making)
    condition = _condition(making, inner, inner.correlations("="))
    template = making.random.choice(
        (
            "SELECT a.id, {c} AS v{source}",
            "SELECT a.id, CASE WHEN {c} THEN 'in' ELSE 'out' END AS v{source}",
            "SELECT a.id, NOT ({c}) AS v{source}",
            "SELECT count(*) FILTER (WHERE {c}) AS n{source}",
            "SELECT sum(CASE WHEN {c} THEN 1 ELSE 0 END) AS n{source}",
            "SELECT a.id, ({c}) IS NULL AS v{source}",
            "SELECT a.id, {c} AND a.k > 1 AS v{source}",
        )
    )
    if making.chance(0.2):
        own = Inner(making, inner.outer, inner.table)
        value = row(f"a.k {making.random.choice(('IN', 'NOT IN'))} (SELECT {own.y}", own.source(()), ")")
        by = making.random.choice(("a.k", "ROLLUP (a.k)"))
        query = row(f"SELECT a.k, count(*) AS n FROM {inner.outer.name} AS a GROUP BY {by} HAVING ", value)
        return question("K10e", making, query)
    source = row(f" FROM {inner.outer.name} AS a", inner.over_outer.where(1, 0))
    return question("K10e", making, filled(template, c=condition, source=source))
