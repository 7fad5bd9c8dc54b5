"""Shrinking makes a difference smaller for as long as it stays one: parts of the query, then rows, then columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from tests.second_opinion.judging import Ruling, Verdict, judged
from tests.second_opinion.pieces import Side, smaller, text
from tests.second_opinion.questions import Question
from tests.second_opinion.scripts import script
from tests.second_opinion.sides import Sides
from tests.second_opinion.tables import Table

ASKED_MAX: Final = 400  # questions for one difference


@dataclass(frozen=True, slots=True)
class Case:
    """Tables, a question about them, and what came of it."""

    tables: tuple[Table, ...]
    question: Question
    verdict: Verdict

    def __str__(self) -> str:
        query = self.question
        texts = [text(part, Side.OURS) for part in (query.view, query.query) if part is not None]
        used = [table for table in self.tables if any(_names(sql, table.name) for sql in texts)]
        lines = [line for table in used for line in script(table)]
        if query.view is not None:
            lines.append(f"CREATE VIEW w AS {texts[0]};")
        return "\n".join([*lines, f"{texts[-1]};", str(self.verdict)])


class Shrinker:
    """Leaves the sides with the tables of the smallest case."""

    def __init__(self, sides: Sides, case: Case) -> None:
        self._sides, self._case = sides, case
        self._sort = case.verdict.sort
        self._asked = 0

    def smallest(self) -> Case:
        before = None
        while before != self._case and self._asked < ASKED_MAX:
            before = self._case
            self._follow_queries()
            self._follow_tables()
        self._sides.fill(self._case.tables)
        return self._case

    def _follow_queries(self) -> None:
        self._sides.fill(self._case.tables)
        while any(self._holds(replace(self._case, question=less)) for less in _smaller_questions(self._case.question)):
            pass

    def _follow_tables(self) -> None:
        for at in range(len(self._case.tables)):
            size = max(1, len(self._case.tables[at].rows))
            while size >= 1:
                if not any(self._holds_table(at, less) for less in _fewer_rows(self._case.tables[at], size)):
                    size //= 2
        for at, table in enumerate(self._case.tables):
            for name in list(table.columns)[2:]:
                self._holds_table(at, _without_column(self._case.tables[at], name))

    def _holds_table(self, at: int, table: Table) -> bool:
        tables = self._case.tables
        if self._asked >= ASKED_MAX:
            return False
        self._sides.fill([table])
        kept = self._holds(replace(self._case, tables=(*tables[:at], table, *tables[at + 1 :])))
        if not kept:
            self._sides.fill([tables[at]])
        return kept

    def _holds(self, case: Case) -> bool:
        """Whether it is a difference of the same sort; if so it is the case from now on."""
        if self._asked >= ASKED_MAX:
            return False
        self._asked += 1
        verdict = judged(self._sides, case.question)
        if verdict.ruling is not Ruling.DIFFERENT or verdict.sort != self._sort:
            return False
        self._case = replace(case, verdict=verdict)
        return True


def _smaller_questions(question: Question) -> Iterator[Question]:
    for less in smaller(question.query):
        reads_view = _names(text(less, Side.OURS), "w")
        yield replace(question, query=less, view=question.view if reads_view else None)
    if question.view is not None:
        yield from (replace(question, view=less) for less in smaller(question.view))


def _fewer_rows(table: Table, size: int) -> Iterator[Table]:
    for start in range(0, len(table.rows), size):
        yield replace(table, rows=table.rows[:start] + table.rows[start + size :])


def _without_column(table: Table, name: str) -> Table:
    at = list(table.columns).index(name)
    columns = {each: type_ for each, type_ in table.columns.items() if each != name}
    rows = tuple(replace(row, values=row.values[:at] + row.values[at + 1 :]) for row in table.rows)
    return replace(table, columns=columns, rows=rows)


def _names(sql: str, name: str) -> bool:
    return f" {name}" in sql.replace("(", " ").replace(")", " ") + " "
