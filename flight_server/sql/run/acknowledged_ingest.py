"""Acknowledged ingest stores each batch of an upload by itself, and says so before it takes the next.

Small batches of plain rows are combined with those that other uploads bring for the table; any other has a transaction
of its own, as an INSERT has. A batch is stored whole or not at all. The first that is refused ends the upload: those
before it are stored and acknowledged, those after it are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from flight_server.sql.context.running_statements import RunningStatement
from flight_server.sql.interface.request import Request
from flight_server.sql.interface.stored_batch import StoredBatch
from flight_server.sql.run.ingest import ingest_rows
from flight_server.sql.run.insert_combiner import InsertCombiner, InsertCombiners
from flight_server.sql.run.insert_plan import is_allowed, is_small
from flight_server.sql.scopes.statement_run import Execution
from flight_server.wire.requests import IfExists, IfMissing, IngestCommand
from storage.catalog.names import DEFAULT_NAMESPACE, TableName
from storage.errors import Conflict, ConstraintViolated, InvalidRequest, NotSupported


class AcknowledgedIngest:
    """One upload, of batches that all have `schema`."""

    def __init__(
        self,
        execution: Execution,
        combiners: InsertCombiners,
        request: Request,
        command: IngestCommand,
        schema: pa.Schema,
        running: RunningStatement,
    ) -> None:
        self._execution = execution
        self._combiners = combiners
        self._request = request
        self._command = command
        self._schema = schema
        self._running = running
        self._combiner: InsertCombiner | None = None

    def store(self, batches: Iterator[pa.RecordBatch]) -> Iterator[StoredBatch]:
        """One answer for each batch, in their order; the table is there before the first.

        Raises what `ingest_rows` raises, NotSupported (in a transaction), StorageUnavailable (outcome of this batch
        unknown), and what `batches` raises.
        """
        self._alone()
        self._command = replace(self._command, if_exists=IfExists.APPEND, if_missing=IfMissing.FAIL)
        for batch in batches:
            if not batch.num_rows:
                yield StoredBatch(0, None)
                continue
            stored = self._with_others(batch) or self._alone(batch)
            self._running.rows += stored.rows
            yield stored

    def _with_others(self, batch: pa.RecordBatch) -> StoredBatch | None:
        """None, and nothing was stored, where it takes a transaction, or what stands against it is to be told."""
        session, engine = self._request.session, self._execution.services.engine
        if not is_small(batch) or self._command.temporary or session.temporary.state.tables:
            return None
        if self._is_in_transaction():
            return None
        combiner = self._combiner_of_now()
        if combiner is None or not is_allowed(self._execution, session, combiner.plan):
            return None
        engine.wait_for_room(self._running.is_stopped, combiner.plan.table.kind)
        try:
            return combiner.insert(batch)
        except (Conflict, ConstraintViolated, InvalidRequest):
            return None

    def _combiner_of_now(self) -> InsertCombiner | None:
        session, engine = self._request.session, self._execution.services.engine
        name = TableName(self._command.namespace or session.namespace or DEFAULT_NAMESPACE, self._command.table)
        table, durable = engine.state.catalog.tables.get(name), session.durability == "full"
        if table is None:
            return None
        if self._combiner is None or self._combiner.plan.table is not table or self._combiner.durable != durable:
            self._combiner = self._combiners.of(table, self._schema, durable=durable)
        return self._combiner

    def _alone(self, *batches: pa.RecordBatch) -> StoredBatch:
        if self._is_in_transaction():
            raise NotSupported(
                "batches can't be acknowledged in a transaction, which stores all or nothing: COMMIT first, or leave "
                "out the option acknowledge"
            )
        for attempt in self._execution.scopes.changes(self._request, self._running):
            with attempt as context:
                rows = ingest_rows(context, self._command, iter(batches), self._schema)
        return StoredBatch(0 if attempt.was_discarded else rows, attempt.last_seq if rows else None)

    def _is_in_transaction(self) -> bool:
        request = self._request
        return self._execution.scopes.transactions.joined(request.session, request.transaction_id) is not None
