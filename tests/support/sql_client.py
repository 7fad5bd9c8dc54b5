"""What the end-to-end tests hold in their hands: a connection that speaks in rows, counts and SQLSTATEs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from adbc_driver_manager import Error

_SQLSTATE = re.compile(r"\[([0-9A-Z]{5})\] (.*?)(?: \((?:InvalidArgument|NotFound|Unimplemented|Unknown|Internal)|$)")


class Refused(AssertionError):
    """A statement ended in an error; `sqlstate` and `message` are the server's."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        found = _SQLSTATE.search(text)
        self.sqlstate = found[1] if found else ""
        self.message = found[2] if found else text


class Client:
    """One ADBC connection in a namespace of its own, so that tests on one server don't meet."""

    def __init__(self, connection: Any, namespace: str = "public") -> None:
        self.connection = connection
        self.namespace = namespace

    def table(self, sql: str, params: Sequence[Any] | None = None) -> pa.Table:
        """The rows as Arrow."""
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(sql, params)
                return cursor.fetch_arrow_table()
            except Error as error:
                raise Refused(str(error)) from None

    def rows(self, sql: str, params: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows as tuples."""
        return [tuple(row.values()) for row in self.table(sql, params).to_pylist()]

    def value(self, sql: str, params: Sequence[Any] | None = None) -> Any:
        """The one value of a one-row answer."""
        [[value]] = self.rows(sql, params)
        return value

    def do(self, sql: str, params: Any = None) -> int:
        """Run a statement that gives no rows; the rows it affected. params: values, or an Arrow table with them"""
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(sql, params)
            except Error as error:
                raise Refused(str(error)) from None
            return int(cursor.rowcount)

    def do_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        with self.connection.cursor() as cursor:
            try:
                cursor.executemany(sql, rows)
            except Error as error:
                raise Refused(str(error)) from None
            return int(cursor.rowcount)

    def ingest(self, table: str, data: Any, mode: str = "create", **options: Any) -> int:
        options.setdefault("db_schema_name", self.namespace)
        with self.connection.cursor() as cursor:
            try:
                return int(cursor.adbc_ingest(table, data, mode=mode, **options))
            except Error as error:
                raise Refused(str(error)) from None

    def parameters(self, sql: str) -> list[pa.DataType]:
        """Types of a prepared statement's parameters."""
        with self.connection.cursor() as cursor:
            return list(cursor.adbc_prepare(sql).types)

    def refusal(self, sql: str, params: Sequence[Any] | None = None) -> Refused:
        """The error that a statement must end in."""
        try:
            self.table(sql, params)
        except Refused as refused:
            return refused
        raise AssertionError(f"not refused: {sql}")

    def sqlstate(self, sql: str, params: Sequence[Any] | None = None) -> str:
        return self.refusal(sql, params).sqlstate

    def flush(self, table: str) -> None:
        self._wait(f"FLUSH TABLE {table}")

    def compact(self, table: str) -> None:
        self._wait(f"COMPACT TABLE {table}")

    def _wait(self, sql: str) -> None:
        for job in self.rows(sql):
            [ended] = self.rows(f"WAIT FOR JOB '{job[0]}'")
            assert ended[3] in ("completed", "skipped"), ended
