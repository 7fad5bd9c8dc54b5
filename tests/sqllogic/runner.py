"""Runs the records of a file in a database, in a namespace of its own.

Modes, so that one file tests all the ways in which its rows can be stored:
  hot        nothing is moved
  flushed    after each statement that changes something all rows are flushed, each third time compacted too
  restarted  the file's own `flush`, `compact` and `restart` records act
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pyarrow as pa

from tests.sqllogic.databases import Database, Session
from tests.sqllogic.rendering import arranged, letters_of, lines_of
from tests.sqllogic.script import Control, Let, Query, Record, Statement
from tests.support.sql_client import Refused

FIRST: Final = "first"
COMPACTED_EACH: Final = 3
_CHANGES = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|WITH)\b", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Failed(AssertionError):
    """A record did not come out as written. The text names file and line."""


class Runner:
    """One file in one mode."""

    def __init__(self, database: Database, path: Path, mode: str) -> None:
        self.path = path
        self.mode = mode
        self.namespace = f"{path.stem}_{mode}"
        self._database = database
        self._variables = {"namespace": self.namespace}
        self._sessions: dict[str, Session] = {}
        self._stack = ExitStack()
        self._now = FIRST
        self._changes = 0

    def run(self, records: list[Record]) -> Iterator[None]:
        """Yields where the server is to be restarted. Raises Failed at the first record that comes out otherwise."""
        try:
            for record in records:
                if isinstance(record, Control) and record.word == "restart" and self.mode == "restarted":
                    self.disconnect()
                    yield
                elif record.runs_in(self.mode):
                    self.step(record)
        finally:
            self.disconnect()

    def step(self, record: Record) -> None:
        match record:
            case Statement():
                self._statement(record)
            case Query():
                self._query(record)
            case Let():
                self._variables[record.name] = str(self.table(record.sql)[0][0].as_py())
            case Control():
                self._control(record)
        if isinstance(record, Statement | Query) and self.mode == "flushed" and _CHANGES.match(record.sql):
            self._changes += 1
            self._move("flush")
            if self._changes % COMPACTED_EACH == 0:
                self._move("compact")

    def table(self, sql: str) -> pa.Table:
        """The result of a query. Raises Refused."""
        return self._session(self._now).table(self._filled(sql))

    def disconnect(self) -> None:
        self._sessions.clear()
        self._stack.close()

    def _statement(self, record: Statement) -> None:
        wanted = "success" if record.sqlstate is None else f"[{record.sqlstate}] {record.message}"
        try:
            count = self._session(self._now).do(self._filled(record.sql))
        except Refused as refused:
            right = refused.sqlstate == record.sqlstate and re.search(record.message, refused.message)
            if not right:
                raise self._failed(record, record.sql, wanted, str(refused)) from None
            return
        if record.sqlstate is not None:
            raise self._failed(record, record.sql, wanted, "success")
        if record.count not in (None, count):
            raise self._failed(record, record.sql, f"{record.count} rows changed", str(count))

    def _query(self, record: Query) -> None:
        wanted = arranged([self._filled(line) for line in record.expected or ()], record.sort)
        try:
            table = self.table(record.sql)
        except Refused as refused:
            raise self._failed(record, record.sql, "\n".join(wanted), str(refused)) from None
        found = letters_of(table.schema)
        if found != record.types:
            raise self._failed(record, record.sql, f"columns {record.types}", f"columns {found}: {table.schema}")
        lines = lines_of(table, record.sort)
        if lines != wanted:
            raise self._failed(record, record.sql, "\n".join(wanted), "\n".join(lines))

    def _control(self, record: Control) -> None:
        if record.word == "connection":
            self._now = record.argument
        elif self.mode == "restarted" and record.word != "restart":
            self._move(record.word)

    def _move(self, how: str) -> None:
        """In a session that has no transaction."""
        self._session("mover").move(how)

    def _session(self, name: str) -> Session:
        if name not in self._sessions:
            made = self._stack.enter_context(self._database.session(self.namespace))
            made.do(f"CREATE NAMESPACE IF NOT EXISTS {self.namespace}; USE {self.namespace}")
            self._sessions[name] = made
        return self._sessions[name]

    def _filled(self, sql: str) -> str:
        return _VARIABLE.sub(lambda found: self._variables[found[1]], sql)

    def _failed(self, record: Record, sql: str, wanted: str, got: str) -> Failed:
        where = f"{self.path.name}:{record.line} ({self.mode})"
        return Failed(f"{where}\n{self._filled(sql)}\nexpected:\n{wanted}\ngot:\n{got}")
