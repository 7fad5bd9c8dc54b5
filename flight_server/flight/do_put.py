"""DoPut takes updates, bound parameters, bulk ingest. Each answers with exactly one message, or fails as a whole; but
an ingest that is acknowledged batch by batch answers once for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from flight_server.access.sessions.session import PreparedStatement
from flight_server.calls.running_calls import RunningCall
from flight_server.flight.service_context import ServiceContext, asked
from flight_server.flight.uploads import Upload, UploadLimits, checked_table_schema
from flight_server.metadata.parameters import as_asked
from flight_server.sql.interface.statement_result import StatementResult
from flight_server.wire import requests as rq
from flight_server.wire.answers import encode_bound, encode_stored_batch, encode_update_count
from storage.catalog.names import CATALOG
from storage.errors import Cancelled, FrostlineError, InvalidRequest
from storage.shares import Share

_UNKNOWN_COUNT = -1


def put(front: ServiceContext, call: RunningCall, command: rq.Command, reader: Any) -> Iterable[bytes]:
    """Do what the command says with what `reader` brings; the answers, each to be sent before the next is asked for.
    Raises FrostlineError, and so does asking for the next."""
    if isinstance(command, rq.IngestCommand) and command.each_batch:
        return _ingest_each(front, call, command, reader)
    return (_put(front, call, command, reader),)


def _put(front: ServiceContext, call: RunningCall, command: rq.Command, reader: Any) -> bytes:
    match command:
        case rq.StatementUpdate():  # the reader is not touched: some clients send nothing to read
            result = front.statements.run(asked(call, command.sql, command.transaction_id))
            return encode_update_count(_count(result))
        case rq.PreparedQuery():
            return _bind(front, call, command, reader)
        case rq.PreparedUpdate():
            return encode_update_count(_update(front, call, command, reader))
        case rq.IngestCommand():
            return encode_update_count(_ingest(front, call, command, reader))
        case _:
            raise InvalidRequest("this command reads: send it with GetFlightInfo, then DoGet")


def answer(writer: Any, data: bytes) -> None:
    """Send one message. Raises Cancelled when nobody is there any more to take it."""
    try:
        writer.write(pa.py_buffer(data))
    except (OSError, pa.ArrowException):
        raise Cancelled("the client went away before it was answered; what it asked for was done") from None


def _bind(front: ServiceContext, call: RunningCall, command: rq.PreparedQuery, reader: Any) -> bytes:
    id_ = front.prepared_id(call.session, command.handle)
    prepared = front.prepared(call.session, command.handle)
    batches = _parameters(front, call, reader, prepared)
    rows = sum(batch.num_rows for batch in batches)
    if rows > 1:
        raise InvalidRequest(f"{rows} rows of parameters were bound to a query, which takes one; run it once for each")
    call.session.bind(id_, batches[0] if batches else None)
    return encode_bound(command.handle)


def _update(front: ServiceContext, call: RunningCall, command: rq.PreparedUpdate, reader: Any) -> int:
    """All bound rows are one atomic run. No columns or no rows: one run, with what was bound before if anything."""
    prepared = front.prepared(call.session, command.handle)
    batches = _parameters(front, call, reader, prepared)
    if not batches:
        return _count(_run_prepared(front, call, prepared))
    request = asked(call, prepared.sql, prepared.transaction_id)
    return front.statements.run_many(request, batches)


def _run_prepared(front: ServiceContext, call: RunningCall, prepared: PreparedStatement) -> StatementResult:
    return front.statements.run(asked(call, prepared.sql, prepared.transaction_id, prepared.bound))


def _parameters(
    front: ServiceContext, call: RunningCall, reader: Any, prepared: PreparedStatement
) -> list[pa.RecordBatch]:
    """All bound rows, checked, and sure to be all; none when there are no columns."""
    upload = _upload(front, call, reader, front.wire.bound_rows_max, front.wire.bound_bytes_max)
    batches = upload.all_batches()
    return [as_asked(batch, prepared.parameters) for batch in batches] if len(upload.schema) else []


def _ingest(front: ServiceContext, call: RunningCall, command: rq.IngestCommand, reader: Any) -> int:
    _check_catalog(command)
    upload = _upload(front, call, reader, rows_max=0, bytes_max=front.wire.ingest_bytes_max)
    try:
        schema = checked_table_schema(upload.schema)
        return front.statements.ingest(call.session, command, upload.batches, schema, call.is_cancelled)
    except Cancelled:
        raise
    except FrostlineError:
        upload.drain()
        raise


def _ingest_each(front: ServiceContext, call: RunningCall, command: rq.IngestCommand, reader: Any) -> Iterator[bytes]:
    """Nothing is drained after a refusal: the client may wait for its answer, and nothing else comes."""
    _check_catalog(command)
    upload = _upload(front, call, reader, rows_max=0, bytes_max=0, each_batch=True)
    schema = checked_table_schema(upload.schema)

    def batches(stopped: Callable[[], bool]) -> Iterator[pa.RecordBatch]:
        """A statement may run so long as its time limit says; it begins with each batch."""
        call.time_from(math.inf)
        for batch in upload.batches(stopped, empty=True):
            call.time_from(front.clock.monotonic_seconds())
            yield batch
            call.time_from(math.inf)

    for stored in front.statements.ingest_each(call.session, command, batches, schema, call.is_cancelled):
        with upload.answering():
            yield encode_stored_batch(stored.rows, stored.last_seq)


def _check_catalog(command: rq.IngestCommand) -> None:
    if command.catalog not in (None, "", CATALOG):
        raise InvalidRequest(
            f"catalog '{command.catalog[:80]}' does not exist; the only one is '{CATALOG}'", sqlstate="3D000"
        )


def _upload(
    front: ServiceContext, call: RunningCall, reader: Any, rows_max: int, bytes_max: int, *, each_batch: bool = False
) -> Upload:
    limits = UploadLimits(
        rows_max,
        bytes_max,
        front.wire.upload_batch_rows_max,
        front.wire.upload_batch_bytes_max,
        front.upload_idle_seconds,
        each_batch,
    )
    share = Share(front.uploads, call.caller.principal.name)
    call.when_finished(share.close)
    return Upload(reader, call, limits, share, front.clock, front.log)


def _count(result: StatementResult) -> int:
    if result.rows_affected is None:  # a query: its rows can't be sent here, so it is not run
        result.cancel("only the row count was asked for")
        return _UNKNOWN_COUNT
    return result.rows_affected
