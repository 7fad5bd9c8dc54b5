"""A question is a query of one grammar, and `Making` is what all grammars are given to make one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from tests.second_opinion.expressions import Column, Expressions, columns_of
from tests.second_opinion.pieces import Part, Piece, Side, filled, maybe, row, text
from tests.second_opinion.tables import Table


class Unfit(Exception):
    """No table has what the grammar wants: make another question."""


@dataclass(frozen=True, slots=True)
class Question:
    """kind: of the grammar; view: what the view `w` holds, if the query reads one."""

    kind: str
    query: Part
    is_ordered: bool = False
    view: Part | None = None


@dataclass(frozen=True, slots=True)
class Making:
    random: Random
    tables: Sequence[Table]

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def table(self, *families: str) -> Table:
        """One with a column of each family. Raises Unfit."""
        fitting = [t for t in self.tables if set(families) <= {c.family for c in columns_of(t)}]
        if not fitting:
            raise Unfit
        return self.random.choice(fitting)

    def over(self, table: Table, alias: str = "") -> Expressions:
        return Expressions(self.random, columns_of(table, alias))

    def some(self, columns: Sequence[Column], least: int = 1, most: int = 4) -> list[Column]:
        count = min(len(columns), self.random.randint(least, most))
        return self.random.sample(list(columns), count)

    def wrapped(self, query: Part) -> tuple[Part, Part | None]:
        """The query itself, or within a CTE, a derived table or a view, sometimes with a filter; and the view."""
        choice = self.random.randint(0, 7)
        if choice > 2:
            return query, None
        where = self._filter(query)
        if choice == 0:
            return filled("WITH w AS ({q}) SELECT * FROM w{f}", (query,), q=query, f=where), None
        if choice == 1:
            return filled("SELECT * FROM ({q}) AS w{f}", (query,), q=query, f=where), None
        return row("SELECT * FROM w", where, simpler=(query,)), query

    def _filter(self, query: Part) -> Part:
        """About a column that the query names."""
        name = next(
            (
                name
                for name in ("c0", "v", "n", "g")
                if f" AS {name}," in f"{text(query, Side.OURS)},".replace(" FROM", ",")
            ),
            None,
        )
        if name is None or self.chance(0.4):
            return Piece((), least=0)
        return maybe(f" WHERE {name} IS {self.random.choice(('NULL', 'NOT NULL', 'NOT NULL'))}")


_CAST: Final = re.compile(r"CAST\(| AS (?:DECIMAL\(\d+, \d+\)|[A-Z]+(?=\)))|[() ]")  # and what remains of it
Grammar: TypeAlias = Callable[[Making], Question]


def question(kind: str, making: Making, query: Part, is_ordered: bool = False) -> Question:
    """Perhaps within something."""
    if is_ordered:
        return Question(kind, query, is_ordered)
    outer, view = making.wrapped(query)
    return Question(kind, outer, view=view)


def named(items: Sequence[Part], lead: str = "c") -> list[Part]:
    """Items of a SELECT list with names that differ."""
    return [row(item, f" AS {lead}{at}") for at, item in enumerate(unlike(items))]


def unlike(items: Sequence[Part]) -> list[Part]:
    """Without those that differ from another one in a CAST only, which are K10a's."""
    found: dict[str, Part] = {}
    for item in items:
        found.setdefault(_without_casts(text(item, Side.OURS)), item)
    return list(found.values())


def _without_casts(sql: str) -> str:
    return _CAST.sub("", sql)
