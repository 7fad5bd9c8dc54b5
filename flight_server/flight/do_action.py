"""DoAction handles prepared statements, transactions, cancelling, session options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from flight_server.access.sessions.session import PreparedStatement, Session
from flight_server.access.sessions.session_options import session_options, set_session_option
from flight_server.calls.running_calls import RunningCall
from flight_server.flight.service_context import ServiceContext, asked
from flight_server.metadata.parameters import in_milliseconds
from flight_server.wire import requests as rq
from flight_server.wire.answers import (
    encode_cancel_info,
    encode_cancel_query,
    encode_option_errors,
    encode_options,
    encode_prepared,
    encode_savepoint,
    encode_session_closed,
    encode_transaction,
)
from flight_server.wire.commands import decode_ticket
from storage.errors import FrostlineError, InvalidRequest, NotFound

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "CreatePreparedStatement": "Describe a statement and keep it under a handle.",
    "ClosePreparedStatement": "Forget a prepared statement.",
    "BeginTransaction": "Open a transaction.",
    "EndTransaction": "Commit or roll back a transaction.",
    "BeginSavepoint": "Mark a moment of the transaction, to go back to.",
    "EndSavepoint": "Forget a savepoint, or undo what came after it.",
    "CancelQuery": "Stop a query (deprecated: CancelFlightInfo).",
    "CancelFlightInfo": "Stop the query behind a FlightInfo.",
    "SetSessionOptions": "Set options of the session.",
    "GetSessionOptions": "Read the options of the session.",
    "CloseSession": "End the session: roll back, forget its statements, refuse its token.",
}


def act(front: ServiceContext, call: RunningCall, request: rq.ActionRequest) -> list[bytes]:
    """Do it; the bytes of each result. Raises FrostlineError."""
    session = call.session
    match request:
        case rq.CreatePreparedStatement():
            return [_prepare(front, call, request)]
        case rq.ClosePreparedStatement():
            _close_prepared(front, session, request.handle)
            return []
        case rq.BeginTransaction():
            return [encode_transaction(front.statements.begin(session))]
        case rq.EndTransaction():
            front.statements.end(session, request.transaction_id, request.commit)
            return []
        case rq.BeginSavepoint():
            return [encode_savepoint(front.statements.begin_savepoint(session, request.transaction_id, request.name))]
        case rq.EndSavepoint():
            front.statements.end_savepoint(session, request.savepoint_id, request.roll_back)
            return []
        case rq.CancelQuery():
            return [encode_cancel_query(_cancel(front, call, request.tickets))]
        case rq.CancelFlightInfo():
            return [encode_cancel_info(_cancel(front, call, request.tickets))]
        case rq.SetSessionOptions():
            return [encode_option_errors(dict(_set_options(front, session, request.options)))]
        case rq.GetSessionOptions():
            return [encode_options(session_options(session))]
        case rq.CloseSession():
            front.sessions.close(session.id, call.caller.session_expires_ms)
            return [encode_session_closed()]


def _prepare(front: ServiceContext, call: RunningCall, request: rq.CreatePreparedStatement) -> bytes:
    session = call.session
    shape = front.statements.describe(asked(call, request.sql, request.transaction_id))
    dataset = front.sent(session, shape.dataset_schema)
    statement = PreparedStatement(request.sql, request.transaction_id, shape.is_update, dataset, shape.parameter_schema)
    handle = front.keep_prepared(session, statement)
    parameters = in_milliseconds(shape.parameter_schema) if call.binds_milliseconds else shape.parameter_schema
    return encode_prepared(handle, dataset, parameters, shape.is_update)


def _close_prepared(front: ServiceContext, session: Session, handle: bytes) -> None:
    """Closing twice is no error: clients close in their clean-up and ignore what comes of it."""
    session.close_prepared(front.prepared_id(session, handle))


def _cancel(front: ServiceContext, call: RunningCall, tickets: tuple[bytes, ...]) -> rq.CancelStatus:
    """Raises InvalidRequest (not the ticket of a statement), NotFound (not the caller's)."""
    statuses: list[rq.CancelStatus] = []
    for data in tickets:
        ticket = decode_ticket(data)
        if not isinstance(ticket, rq.StatementTicket):
            return rq.CancelStatus.NOT_CANCELLABLE
        statuses.append(front.results.cancel(call.caller.principal.name, ticket.handle))
    if not statuses:
        raise InvalidRequest("the FlightInfo to be cancelled has no endpoint; send the one that GetFlightInfo gave")
    return max(statuses)


def _set_options(
    front: ServiceContext, session: Session, options: Mapping[str, rq.OptionValue]
) -> Iterator[tuple[str, rq.OptionError]]:
    """Set what can be set; name the rest."""
    namespaces = front.objects(session).namespaces()
    for name, value in options.items():
        try:
            set_session_option(session, name, value, namespaces)
        except NotFound:
            yield name, rq.OptionError.INVALID_NAME
        except InvalidRequest:
            yield name, rq.OptionError.INVALID_VALUE
        except FrostlineError:
            yield name, rq.OptionError.ERROR
