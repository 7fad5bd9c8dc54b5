"""Statements is the port through which the service runs SQL.

The service decodes, allows, calls and encodes; `Statements` is whom it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import pyarrow as pa

from flight_server.access.sessions.session import Session
from flight_server.sql.interface.request import Request
from flight_server.sql.interface.statement_result import StatementResult
from flight_server.sql.interface.statement_shape import StatementShape
from flight_server.sql.interface.stored_batch import StoredBatch
from flight_server.wire.requests import IngestCommand
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName


class Statements(Protocol):
    """Runs SQL for a session. Every error is a FrostlineError."""

    def run(self, request: Request) -> StatementResult:
        """One or several statements; a query is planned only, everything else has happened on return."""
        ...

    def describe(self, request: Request) -> StatementShape:
        """Executes nothing. Where its params are known, types may be others than without."""
        ...

    def run_many(self, request: Request, batches: Iterable[pa.RecordBatch]) -> int:
        """Run an update once per row of `batches`, all of them as one. Returns the rows affected in total."""
        ...

    def ingest(
        self,
        session: Session,
        command: IngestCommand,
        reader: Callable[[Callable[[], bool]], Iterator[pa.RecordBatch]],
        schema: pa.Schema,
        cancelled: Callable[[], bool],
    ) -> int:
        """Store all of `reader` or nothing; it raises when the sender went away. Returns the rows stored.

        reader: is told how to ask whether the statement was stopped, and gives the rows
        """
        ...

    def ingest_each(
        self,
        session: Session,
        command: IngestCommand,
        reader: Callable[[Callable[[], bool]], Iterator[pa.RecordBatch]],
        schema: pa.Schema,
        cancelled: Callable[[], bool],
    ) -> Iterator[StoredBatch]:
        """Store each batch of `reader` by itself: what became of it comes before the next is read."""
        ...

    def begin(self, session: Session) -> bytes:
        """Open a transaction and return its id."""
        ...

    def end(self, session: Session, transaction_id: bytes, commit: bool) -> None: ...

    def begin_savepoint(self, session: Session, transaction_id: bytes, name: str) -> bytes:
        """Mark this moment of the open transaction and return the mark's id."""
        ...

    def end_savepoint(self, session: Session, savepoint_id: bytes, roll_back: bool) -> None:
        """Undo what came after it, or forget it."""
        ...

    def cancel(self, query_id: str) -> bool:
        """Whether the statement was there to be stopped."""
        ...

    def end_live_queries(self, reason: str) -> None:
        """All of them, at shutdown; no other begins afterwards."""
        ...

    def catalog(self, session: Session) -> Catalog:
        """What exists, as this session may see it."""
        ...

    def system_schemas(self, session: Session) -> Mapping[TableName, pa.Schema]:
        """Those that this session may see."""
        ...

    def schema_of(self, session: Session, name: TableName) -> pa.Schema:
        """Of a table or view."""
        ...
