"""Runs the records of one file. Statements run in every state, queries in each by turns."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Final

from tests.sqllogic.sqlite.fixed_types import answer_by_fixed_types
from tests.sqllogic.sqlite.loading import Load, gathered, spread
from tests.sqllogic.sqlite.outcomes import FileReport, Outcome, kind_of_error
from tests.sqllogic.sqlite.results import agree, digest, digest_of_expected, values_of
from tests.sqllogic.sqlite.script import Query, Record, Statement
from tests.sqllogic.sqlite.states import State
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Refused

_INDEX = re.compile(r"\s*(CREATE\s+(UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX)\b", re.IGNORECASE)
_TARGET = re.compile(
    r"\s*(CREATE|DROP|INSERT|REPLACE|UPDATE|DELETE)\b(?:\s+(?:OR|REPLACE|TEMP|TEMPORARY|TABLE|VIEW|TRIGGER|INTO|FROM|IF|NOT|EXISTS)\b)*\s+(\w+)",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"\w+")


class FileRun:
    """`report` fills while `run` goes on."""

    def __init__(self, process: ServerProcess, name: str, states: Sequence[str], seconds_max: float) -> None:
        self.report = FileReport(name)
        self._process = process
        self._seconds_max = seconds_max
        self._namespace = "f_" + re.sub(r"\W", "_", name)
        self._how = states
        self._states: list[State] = []
        self._doubtful: set[str] = set()  # tables and views that a refused statement should have made or changed
        self._done: list[str] = []
        self._labels: dict[str, str] = {}
        self._turn = 0

    def run(self, records: list[Record], queries_max: int = 0) -> FileReport:
        begun = time.monotonic()
        records, self.report.left_out = spread(records, queries_max)
        steps = list(gathered(records))
        try:
            self._states = [State(self._process, how, self._namespace) for how in self._how]
            for number, step in enumerate(steps):
                if self._over(time.monotonic() - begun):
                    self.report.left_out += sum(isinstance(left, Query) for left in steps[number:])
                    break
                self._step(step)
        finally:
            for state in self._states:
                state.close()
        self.report.seconds = time.monotonic() - begun
        return self.report

    def _over(self, seconds: float) -> bool:
        if self._process.process.poll() is not None:
            self.report.ended = "the server ended"
        elif 0 < self._seconds_max < seconds:
            self.report.ended = "out of time"
        return bool(self.report.ended)

    def _step(self, step: Statement | Query | Load) -> None:
        match step:
            case Load():
                self._load(step)
            case Statement():
                self._statement(step)
            case Query():
                self._query(step)

    def _load(self, load: Load) -> None:
        """Gathered; one by one in another order of things only where a gathered statement is refused."""
        for state in self._states:
            try:
                state.load(load)
            except Refused:
                for single in load.singles:
                    self._statement(single)
                return
        self._done += [single.sql for single in load.singles]
        self.report.statements["right"] += len(load.singles)

    def _statement(self, statement: Statement) -> None:
        if _INDEX.match(statement.sql):
            self.report.statements["index"] += 1
            return
        found = _TARGET.match(statement.sql)
        verb, target = (found[1].upper(), found[2].lower()) if found else ("", "")
        if verb not in ("CREATE", "DROP") and self._is_doubtful(statement.sql):
            self.report.statements["follows"] += 1
            self._doubtful |= {target} - {""}  # it lacks what this would have brought
            return
        outcome = next(filter(None, [self._in_state(state, statement) for state in self._states]), None)
        if verb == "DROP" and target in self._doubtful:
            outcome = None  # there may have been nothing to drop
        if outcome is None:
            self._done += [] if statement.fails else [statement.sql]
            self.report.statements["right"] += 1
            self._doubtful -= {target} if verb in ("CREATE", "DROP") else set()
            return
        self._doubtful |= {target} - {""}
        self.report.statements[outcome.kind] += 1
        self.report.noted.append(outcome)

    def _in_state(self, state: State, statement: Statement) -> Outcome | None:
        """What is to be noted of a statement."""
        here = (statement.line, state.how, statement.sql)
        try:
            state.change(statement.sql)
        except Refused as refused:
            kind = kind_of_error(refused.sqlstate, refused.message)
            return None if statement.fails else Outcome(kind, *here, refused.sqlstate, refused.message)
        return Outcome("wrong", *here, expected=("an error",), got=("success",)) if statement.fails else None

    def _query(self, query: Query) -> None:
        state = self._states[self._turn % len(self._states)]
        self._turn += 1
        if self._is_doubtful(query.sql):
            self.report.queries["follows"] += 1
            return
        outcome = self._compared(query, state)
        self.report.queries[outcome.kind] += 1
        if outcome.kind != "right":
            self.report.noted.append(outcome)

    def _compared(self, query: Query, state: State) -> Outcome:
        here = (query.line, state.how, query.sql)
        try:
            table = state.query(query.sql)
        except Refused as refused:
            kind = kind_of_error(refused.sqlstate, refused.message)
            return Outcome(kind, *here, refused.sqlstate, refused.message)
        if table.num_columns != len(query.types):
            return Outcome("wrong", *here, expected=query.expected, got=(f"{table.num_columns} columns",))
        values = values_of(table, query.types, query.sort)
        if not agree(values, query.expected):
            typed = answer_by_fixed_types(query, self._done) == values
            return Outcome("typed" if typed else "wrong", *here, expected=query.expected, got=tuple(values))
        if not self._as_labelled(query, values):
            return Outcome("wrong", *here, expected=(f"what {query.label} had before",), got=tuple(values))
        return Outcome("right", *here)

    def _as_labelled(self, query: Query, values: list[str]) -> bool:
        """Whether it is also what the file says that the other queries of the label gave."""
        if not query.label:
            return True
        return self._labels.setdefault(query.label, digest_of_expected(query.expected)) == digest(values)

    def _is_doubtful(self, sql: str) -> bool:
        return bool(self._doubtful) and not self._doubtful.isdisjoint(_WORD.findall(sql.lower()))
