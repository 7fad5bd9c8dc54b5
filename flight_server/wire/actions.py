"""Action requests: Flight SQL's own travel inside Any, Flight's (session, CancelFlightInfo) bare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire import requests as rq
from flight_server.wire.messages import checked_size, optional, parse, unpack_any
from storage.errors import InvalidRequest, NotSupported


def decode_action(kind: str, body: bytes) -> rq.ActionRequest:
    """The request of an action. Raises InvalidRequest, NotSupported."""
    if kind in _BARE_ACTIONS:
        return _BARE_ACTIONS[kind](checked_size(body))
    if kind not in _ANY_ACTIONS:
        raise NotSupported(f"action '{kind[:80]}' is not supported; ListActions names those that are")
    name, value = unpack_any(body)
    wanted = f"Action{kind}Request"
    if name != wanted:
        raise InvalidRequest(f"action '{kind}' was sent a message of another type ({name[:80]}); send {wanted}")
    return _ANY_ACTIONS[kind](value)


def _create_prepared(data: bytes) -> rq.CreatePreparedStatement:
    message = parse(pb.ActionCreatePreparedStatementRequest, data)
    return rq.CreatePreparedStatement(message.query, optional(message, "transaction_id"))


def _close_prepared(data: bytes) -> rq.ClosePreparedStatement:
    return rq.ClosePreparedStatement(parse(pb.ActionClosePreparedStatementRequest, data).prepared_statement_handle)


def _begin(data: bytes) -> rq.BeginTransaction:
    parse(pb.ActionBeginTransactionRequest, data)
    return rq.BeginTransaction()


def _end(data: bytes) -> rq.EndTransaction:
    message = parse(pb.ActionEndTransactionRequest, data)
    if message.action not in (1, 2):
        raise InvalidRequest(f"EndTransaction has action = {message.action}; use 1 (commit) or 2 (roll back)")
    return rq.EndTransaction(message.transaction_id, commit=message.action == 1)


def _begin_savepoint(data: bytes) -> rq.BeginSavepoint:
    message = parse(pb.ActionBeginSavepointRequest, data)
    return rq.BeginSavepoint(message.transaction_id, message.name)


def _end_savepoint(data: bytes) -> rq.EndSavepoint:
    message = parse(pb.ActionEndSavepointRequest, data)
    if message.action not in (1, 2):
        raise InvalidRequest(f"EndSavepoint has action = {message.action}; use 1 (release) or 2 (roll back)")
    return rq.EndSavepoint(message.savepoint_id, roll_back=message.action == 2)


def _cancel_query(data: bytes) -> rq.CancelQuery:
    info = parse(pb.FlightInfo, parse(pb.ActionCancelQueryRequest, data).info)
    return rq.CancelQuery(_tickets(info))


def _cancel_info(data: bytes) -> rq.CancelFlightInfo:
    return rq.CancelFlightInfo(_tickets(parse(pb.CancelFlightInfoRequest, data).info))


def _tickets(info: Any) -> tuple[bytes, ...]:
    return tuple(endpoint.ticket.ticket for endpoint in info.endpoint)


def _set_options(data: bytes) -> rq.SetSessionOptions:
    message = parse(pb.SetSessionOptionsRequest, data)
    return rq.SetSessionOptions({name: _option(value) for name, value in message.session_options.items()})


def _option(value: Any) -> rq.OptionValue:
    kind = value.WhichOneof("option_value")
    if kind is None:
        return None
    if kind == "string_list_value":
        return tuple(value.string_list_value.values)
    return getattr(value, kind)


def _get_options(data: bytes) -> rq.GetSessionOptions:
    parse(pb.GetSessionOptionsRequest, data)
    return rq.GetSessionOptions()


def _close_session(data: bytes) -> rq.CloseSession:
    parse(pb.CloseSessionRequest, data)
    return rq.CloseSession()


_ANY_ACTIONS: Final[Mapping[str, Callable[[bytes], rq.ActionRequest]]] = {
    "CreatePreparedStatement": _create_prepared,
    "ClosePreparedStatement": _close_prepared,
    "BeginTransaction": _begin,
    "EndTransaction": _end,
    "BeginSavepoint": _begin_savepoint,
    "EndSavepoint": _end_savepoint,
    "CancelQuery": _cancel_query,
}
_BARE_ACTIONS: Final[Mapping[str, Callable[[bytes], rq.ActionRequest]]] = {
    "CancelFlightInfo": _cancel_info,
    "SetSessionOptions": _set_options,
    "GetSessionOptions": _get_options,
    "CloseSession": _close_session,
}

ACTIONS: Final = (*_ANY_ACTIONS, *_BARE_ACTIONS)
