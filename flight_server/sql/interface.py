"""Statements is the port through which the service runs SQL.

The service decodes, allows, calls and encodes; `Statements` is whom it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from flight_server.access.sessions.session import Session
from flight_server.wire.requests import IngestCommand
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName


class StatementResult(Protocol):
    """What became of a statement text; for a query, what will become of it."""

    @property
    def query_id(self) -> str:
        """What KILL QUERY and `Statements.cancel` take."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Of the rows; without columns when `rows_affected` is set."""
        ...

    @property
    def rows_affected(self) -> int | None:
        """None for a query."""
        ...

    @property
    def is_ready(self) -> bool:
        """Once started: whether all rows are there, so that nothing can fail or wait any more."""
        ...

    @property
    def is_endless(self) -> bool:
        """A live query: its rows go on until something ends it."""
        ...

    def start(self) -> pa.RecordBatchReader:
        """The rows of a query. Called once. Its errors are FrostlineErrors."""
        ...

    def cancel(self, reason: str) -> None:
        """Stop, from any thread, started or not; after the end it does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class StatementShape:
    """What a statement would do: learnt without running it."""

    is_update: bool
    dataset_schema: pa.Schema
    parameter_schema: pa.Schema


class Statements(Protocol):
    """Runs SQL for a session. Every error is a FrostlineError."""

    def run(
        self,
        session: Session,
        sql: str,
        params: pa.RecordBatch | None,
        transaction_id: bytes | None,
        cancelled: Callable[[], bool],
    ) -> StatementResult:
        """One or several statements; a query is planned only, everything else has happened on return.

        params: one row, columns in the order of the placeholders
        """
        ...

    def describe(
        self, session: Session, sql: str, transaction_id: bytes | None, params: pa.RecordBatch | None = None
    ) -> StatementShape:
        """Executes nothing. `params`, as for `run`: when they are known, types may be others than before."""
        ...

    def run_many(
        self,
        session: Session,
        sql: str,
        batches: Iterable[pa.RecordBatch],
        transaction_id: bytes | None,
        cancelled: Callable[[], bool],
    ) -> int:
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
