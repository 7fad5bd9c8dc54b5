"""A file's tables, stored in one of the ways in which rows can be stored, each in a namespace of its own.

hot     nothing is moved
cold    whatever has changed is flushed before the next query
mixed   each load is flushed when half of it is there; later changes stay hot
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
from adbc_driver_manager import Error

from tests.sqllogic.sqlite.loading import Load
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Refused

STATES: Final = ("hot", "cold", "mixed")
STATEMENT_SECONDS_MAX: Final = 30


class State:
    """Raises Refused from all that talks to the server."""

    def __init__(self, process: ServerProcess, how: str, namespace: str) -> None:
        self.how = how
        self.namespace = f"{namespace}_{how}"
        self._connection = process.connect()
        self._cursor: Any = self._connection.cursor()
        self._changed = False
        self._prepares = False
        for sql in (
            f"CREATE NAMESPACE {self.namespace}",
            f"USE {self.namespace}",
            f"SET statement_timeout_seconds = {STATEMENT_SECONDS_MAX}",
            "SET durability = 'relaxed'",  # no file tests what a power cut leaves
        ):
            self._do(sql)

    def query(self, sql: str) -> pa.Table:
        """Every other one is prepared first, as the dbapi of ADBC does with all; the rest are asked at once."""
        if self._changed and self.how == "cold":
            self._flush()
        self._prepares = not self._prepares
        return self._prepared(sql) if self._prepares else self._do(sql)

    def change(self, sql: str) -> None:
        self._do(sql)
        self._changed = True

    def load(self, load: Load) -> None:
        """All rows, or Refused and some of them."""
        if self.how != "mixed" or len(load.singles) == 1:
            self._load(load)
            return
        first, second = load.halves()
        self._load(first)
        self._flush()
        self._load(second)

    def close(self) -> None:
        """Leaves nothing of the file on the server, as far as that can be reached."""
        try:
            self._do("USE public")
            self._do(f"DROP NAMESPACE {self.namespace} CASCADE")
        except Refused:
            pass  # the server has ended; what it answered is in the report
        finally:
            self._cursor.close()
            self._connection.close()

    def _load(self, load: Load) -> None:
        for sql in load.texts:
            self.change(sql)

    def _flush(self) -> None:
        for job in self._do(f"FLUSH ALL IN {self.namespace}").to_pylist():
            [ended] = self._do(f"WAIT FOR JOB '{job['job_id']}'").to_pylist()
            assert ended["status"] in ("completed", "skipped"), ended
        self._changed = False

    def _prepared(self, sql: str) -> pa.Table:
        try:
            self._cursor.execute(sql)
            return self._cursor.fetch_arrow_table()
        except Error as error:
            raise Refused(str(error)) from None

    def _do(self, sql: str) -> pa.Table:
        statement = self._cursor.adbc_statement
        try:
            statement.set_sql_query(sql)
            stream, _ = statement.execute_query()
            with pa.RecordBatchReader._import_from_c(stream.address) as reader:
                return reader.read_all()
        except (Error, pa.ArrowException, OSError) as error:  # the reader's errors are pyarrow's
            raise Refused(str(error)) from None
