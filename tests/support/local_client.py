"""LocalClient speaks to a database in this process as Client does over the wire: rows, counts and SQLSTATEs.

For tests of what statements mean. Where the wire, signals, threads or jobs are the subject, Client is the one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from flight_server.access.sessions.session import Session
from flight_server.metadata.plain import plain_schema
from flight_server.sql.interface.request import Request, never
from flight_server.wire.requests import IfExists, IfMissing, IngestCommand
from storage.catalog.names import TableName
from storage.errors import FrostlineError
from tests.support import storage_builders
from tests.support.in_process import House
from tests.support.sql_client import Client, Refused

_MODES = {
    "create": (IfMissing.CREATE, IfExists.FAIL),
    "append": (IfMissing.FAIL, IfExists.APPEND),
    "replace": (IfMissing.CREATE, IfExists.REPLACE),
    "create_append": (IfMissing.CREATE, IfExists.APPEND),
}


class LocalClient(Client):
    """One session of root, in a namespace of its own."""

    def __init__(self, home: House, session: Session, namespace: str = "public") -> None:
        super().__init__(None, namespace)
        self.home = home
        self.session = session

    def table(self, sql: str, params: Any = None) -> pa.Table:
        def run() -> pa.Table:
            request = self._request(sql, params)
            if request.params is None and "$" in sql:  # as drivers do, which prepare what has placeholders
                self.home.statements.describe(request)
            rows = self.home.statements.run(request).start().read_all()
            # In the types that leave the server.
            return rows if self.session.exact_types else rows.cast(plain_schema(rows.schema, self.session.time_zone))

        return _told(run)

    def do(self, sql: str, params: Any = None) -> int:
        def run() -> int:
            result = self.home.statements.run(self._request(sql, params))
            result.start().read_all()  # a query may fail at any of its rows
            return result.rows_affected or 0

        return _told(run)

    def do_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        columns = [pa.array(column) for column in zip(*rows, strict=True)]
        batch = pa.RecordBatch.from_arrays(columns, names=_names(columns))
        return _told(lambda: self.home.statements.run_many(self._request(sql, None), [batch]))

    def ingest(self, table: str, data: Any, mode: str = "create", **options: Any) -> int:
        namespace, temporary = options.pop("db_schema_name", self.namespace), options.pop("temporary", False)
        assert not options, options
        missing, exists = _MODES[mode]
        command = IngestCommand(table, namespace, None, temporary, missing, exists, None, {})
        rows = data if isinstance(data, pa.Table) else pa.table(data)
        batches = rows.to_batches()
        return _told(
            lambda: self.home.statements.ingest(self.session, command, lambda _: iter(batches), rows.schema, never)
        )

    def flush(self, table: str) -> None:
        for owned, _ in self.home.engine.users.partitions_of(self._table(table)):
            storage_builders.flush(self.home.engine, owned)

    def compact(self, table: str) -> None:
        for owned, _ in self.home.engine.users.partitions_of(self._table(table)):
            storage_builders.compact(self.home.engine, owned)

    def _request(self, sql: str, params: Any) -> Request:
        if params is None or len(params) == 0:
            return Request(self.session, sql)
        if isinstance(params, pa.Table):
            [columns] = [batch.columns for batch in params.to_batches()]
        else:
            columns = [pa.array([value]) for value in params]
        return Request(self.session, sql, None, pa.RecordBatch.from_arrays(columns, names=_names(columns)))

    def _table(self, written: str) -> Any:
        namespace, _, table = written.rpartition(".")
        return self.home.engine.state.catalog.tables[TableName(namespace or self.namespace, table)]


def _names(columns: Sequence[pa.Array]) -> list[str]:
    return [str(number) for number in range(1, len(columns) + 1)]


def _told(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except FrostlineError as error:
        raise Refused(f"[{error.sqlstate}] {error.message}") from error
