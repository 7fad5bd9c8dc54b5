"""GetFlightInfo, GetSchema and DoGet lead from a command to a schema, and from a ticket to rows."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import flight

from flight_server.calls.running_calls import RunningCall
from flight_server.flight.row_streams import ready_stream, row_stream, table_stream
from flight_server.flight.service_context import ServiceContext, asked
from flight_server.metadata.answers import answer, answer_schema
from flight_server.sql.interface.statement_result import StatementResult
from flight_server.wire import requests as rq
from flight_server.wire.answers import encode_ticket
from storage.errors import InvalidRequest
from storage.state.batch_rows import no_rows


def info_of(
    front: ServiceContext, call: RunningCall, command: rq.Command, command_bytes: bytes
) -> tuple[pa.Schema, bytes]:
    """Schema and ticket. A query is planned, everything else runs here, once. Raises FrostlineError."""
    match command:
        case rq.StatementQuery():
            result = front.statements.run(asked(call, command.sql, command.transaction_id))
            return _kept(front, call, result)
        case rq.PreparedQuery():
            prepared = front.prepared(call.session, command.handle)
            result = front.statements.run(asked(call, prepared.sql, prepared.transaction_id, prepared.bound))
            return _kept(front, call, result)
        case rq.StatementUpdate() | rq.PreparedUpdate() | rq.IngestCommand():
            raise _belongs_to_do_put()
        case _:
            return answer_schema(command), command_bytes


def schema_of(front: ServiceContext, call: RunningCall, command: rq.Command) -> pa.Schema:
    """What `info_of` would show; executes nothing. Raises FrostlineError."""
    match command:
        case rq.StatementQuery():
            shape = front.statements.describe(asked(call, command.sql, command.transaction_id))
            return front.sent(call.session, shape.dataset_schema)
        case rq.PreparedQuery():
            prepared = front.prepared(call.session, command.handle)
            if prepared.bound is None:
                return prepared.dataset_schema
            shape = front.statements.describe(asked(call, prepared.sql, prepared.transaction_id, prepared.bound))
            return front.sent(call.session, shape.dataset_schema)
        case rq.StatementUpdate() | rq.PreparedUpdate() | rq.IngestCommand():
            raise _belongs_to_do_put()
        case _:
            return answer_schema(command)


def rows_of(
    front: ServiceContext, call: RunningCall, ticket: rq.StatementTicket | rq.Metadata
) -> flight.FlightDataStream:
    """The rows behind a ticket. Those of a query leave while the call goes on. Raises FrostlineError."""
    if not isinstance(ticket, rq.StatementTicket):
        table = answer(ticket, front.objects(call.session), front.facts)
        call.goes_on = True
        return table_stream(table)
    kept = front.results.take(call.caller.principal.name, ticket.handle)
    call.when_finished(lambda: front.results.finished(kept))
    if kept.result.rows_affected is not None:
        call.goes_on = True
        return table_stream(pa.Table.from_batches([no_rows(kept.schema)]))
    # When the call ends before the rows do, this is what stops the engine; after the rows it does nothing.
    call.when_finished(lambda: kept.result.cancel("nobody reads the result any more"))
    call.when_cancelled(kept.result.cancel)
    if kept.result.is_endless:
        call.set_apart()
    reader = kept.result.start()
    call.goes_on = True
    if kept.result.is_ready:
        return ready_stream(kept.schema, reader, call)
    return row_stream(kept.schema, reader, call, front.log)


def _kept(front: ServiceContext, call: RunningCall, result: StatementResult) -> tuple[pa.Schema, bytes]:
    if call.is_cancelled():
        result.cancel("the client went away")
        call.raise_if_cancelled()
    schema = front.sent(call.session, result.schema)
    return schema, encode_ticket(front.results.keep(call.caller.principal.name, result, schema))


def _belongs_to_do_put() -> InvalidRequest:
    return InvalidRequest("this command changes data: send it with DoPut")
