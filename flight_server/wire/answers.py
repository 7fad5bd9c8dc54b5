"""Answers are what the server sends, as bytes: DoPut's and Flight's own actions bare, Flight SQL's inside Any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire import requests as rq
from flight_server.wire.messages import pack_any, to_bytes


def encode_ticket(handle: bytes) -> bytes:
    """The ticket of planned rows; inverse of `decode_ticket`."""
    return pack_any("TicketStatementQuery", pb.TicketStatementQuery(statement_handle=handle))


def encode_prepared(handle: bytes, dataset: pa.Schema, parameters: pa.Schema, is_update: bool) -> bytes:
    """Answer to CreatePreparedStatement."""
    message = pb.ActionCreatePreparedStatementResult(
        prepared_statement_handle=handle,
        dataset_schema=encode_schema(dataset),
        parameter_schema=encode_schema(parameters),
        is_update=is_update,
    )
    return pack_any("ActionCreatePreparedStatementResult", message)


def encode_transaction(transaction_id: bytes) -> bytes:
    """Answer to BeginTransaction."""
    message = pb.ActionBeginTransactionResult(transaction_id=transaction_id)
    return pack_any("ActionBeginTransactionResult", message)


def encode_savepoint(savepoint_id: bytes) -> bytes:
    """Answer to BeginSavepoint."""
    return pack_any("ActionBeginSavepointResult", pb.ActionBeginSavepointResult(savepoint_id=savepoint_id))


def encode_update_count(rows: int) -> bytes:
    """Answer to a DoPut that ran something; -1 means unknown."""
    return to_bytes(pb.DoPutUpdateResult(record_count=rows))


def encode_stored_batch(rows: int, last_seq: int | None) -> bytes:
    """Answer to one batch of a DoPut that is acknowledged batch by batch."""
    return to_bytes(pb.DoPutUpdateResult(record_count=rows, last_seq=last_seq))


def encode_bound(handle: bytes) -> bytes:
    """Answer to a DoPut that bound parameters; the handle is always there (one client reads it unasked)."""
    return to_bytes(pb.DoPutPreparedStatementResult(prepared_statement_handle=handle))


def encode_cancel_query(status: rq.CancelStatus) -> bytes:
    return pack_any("ActionCancelQueryResult", pb.ActionCancelQueryResult(result=int(status)))


def encode_cancel_info(status: rq.CancelStatus) -> bytes:
    return to_bytes(pb.CancelFlightInfoResult(status=int(status)))


def encode_option_errors(errors: Mapping[str, rq.OptionError]) -> bytes:
    """Answer to SetSessionOptions; an option that is not named was set."""
    result = pb.SetSessionOptionsResult()
    for name, error in errors.items():
        result.errors[name].value = int(error)
    return to_bytes(result)


def encode_options(options: Mapping[str, rq.OptionValue]) -> bytes:
    """Answer to GetSessionOptions."""
    result = pb.GetSessionOptionsResult()
    for name, value in options.items():
        _set_option(result.session_options[name], value)
    return to_bytes(result)


def encode_session_closed() -> bytes:
    return to_bytes(pb.CloseSessionResult(status=1))


def encode_schema(schema: pa.Schema) -> bytes:
    """One encapsulated IPC message, as every schema inside a message is written."""
    return schema.serialize().to_pybytes()


def _set_option(into: Any, value: rq.OptionValue) -> None:
    match value:
        case None:
            pass
        case bool():
            into.bool_value = value
        case int():
            into.int64_value = value
        case float():
            into.double_value = value
        case str():
            into.string_value = value
        case _:
            into.string_list_value.values.extend(value)


def encode_error_details(code: int, text: str, sqlstate: str) -> bytes:
    """google.rpc.Status, the one form that gRPC clients accept beside a status; `code` must be that status's."""
    reason = pb.ErrorInfo(reason=sqlstate, domain="frostline")
    info = pb.AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=to_bytes(reason))
    return to_bytes(pb.ErrorStatus(code=code, message=text, details=[info]))
