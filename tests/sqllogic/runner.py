"""Runs the records of a file against a real server, in a namespace of its own.

Modes, so that one file tests all the ways in which its rows can be stored:
  hot        nothing is moved
  flushed    after each statement that changes something all rows are flushed, each third time compacted too
  restarted  the file's own `flush`, `compact` and `restart` records act
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from adbc_driver_manager import Error

from tests.sqllogic.rendering import arranged, letters_of, lines_of
from tests.sqllogic.script import Control, Let, Query, Record, Statement
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Refused

FIRST: Final = "first"
COMPACTED_EACH: Final = 3
_CHANGES = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|WITH)\b", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Failed(AssertionError):
    """A record did not come out as written. The text names file and line."""


class Server:
    """The one server of all files; `restart` gives it a new process on the same data."""

    def __init__(self, directory: Path) -> None:
        self.process = ServerProcess(directory / "data")
        self.process.start()
        self.process.wait_ready()

    def restart(self) -> None:
        assert self.process.stop() == 0
        self.process = ServerProcess(self.process.data)
        self.process.start()
        self.process.wait_ready()

    def close(self) -> None:
        self.process.end()


class Runner:
    """One file in one mode. `table` and `affected` are its only ways to the server."""

    def __init__(self, server: Server, path: Path, mode: str) -> None:
        self.path = path
        self.mode = mode
        self.namespace = f"{path.stem}_{mode}"
        self._server = server
        self._variables = {"namespace": self.namespace}
        self._connections: dict[str, Any] = {}
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
        with self._connection(self._now).cursor() as cursor:
            try:
                cursor.execute(self._filled(sql))
                return cursor.fetch_arrow_table()
            except Error as error:
                raise Refused(str(error)) from None

    def affected(self, sql: str) -> int:
        """Rows that a statement changed, -1 when it can't say. Raises Refused."""
        with self._connection(self._now).cursor() as cursor:
            try:
                cursor.execute(self._filled(sql))
                affected = int(cursor.rowcount)
                cursor.fetch_arrow_table()  # a query may fail at any of its rows
            except Error as error:
                raise Refused(str(error)) from None
            return affected

    def disconnect(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _statement(self, record: Statement) -> None:
        wanted = "success" if record.sqlstate is None else f"[{record.sqlstate}] {record.message}"
        try:
            count = self.affected(record.sql)
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
        """Flush or compact every table of the namespace, in a session that has no transaction."""
        with self._connection("mover").cursor() as cursor:
            for sql in self._moves(cursor, how):
                cursor.execute(sql)
                for job in cursor.fetchall():
                    cursor.execute(f"WAIT FOR JOB '{job[0]}'")
                    [ended] = cursor.fetchall()
                    assert ended[3] in ("completed", "skipped"), ended

    def _moves(self, cursor: Any, how: str) -> list[str]:
        if how == "flush":
            return [f"FLUSH ALL IN {self.namespace}"]
        stored = f"namespace = '{self.namespace}' AND kind NOT IN ('view', 'stream')"
        cursor.execute(f'SELECT "table" FROM system.tables WHERE {stored}')
        return [f'COMPACT TABLE {self.namespace}."{name}"' for (name,) in cursor.fetchall()]

    def _connection(self, name: str) -> Any:
        if name not in self._connections:
            self._connections[name] = self._server.process.connect()
            with self._connections[name].cursor() as cursor:
                cursor.execute(f"CREATE NAMESPACE IF NOT EXISTS {self.namespace}; USE {self.namespace}")
        return self._connections[name]

    def _filled(self, sql: str) -> str:
        return _VARIABLE.sub(lambda found: self._variables[found[1]], sql)

    def _failed(self, record: Record, sql: str, wanted: str, got: str) -> Failed:
        where = f"{self.path.name}:{record.line} ({self.mode})"
        return Failed(f"{where}\n{self._filled(sql)}\nexpected:\n{wanted}\ngot:\n{got}")
