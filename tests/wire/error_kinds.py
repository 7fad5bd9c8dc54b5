"""Errors of every kind, and what makes each of them."""

from __future__ import annotations

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any

KINDS = {
    "InvalidRequest": ("22023", adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT, pa.ArrowInvalid),
    "AlreadyExists": ("42P07", adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT, pa.ArrowInvalid),
    "ConstraintViolated": ("23505", adbc_driver_manager.AdbcStatusCode.INVALID_ARGUMENT, pa.ArrowInvalid),
    "NotFound": ("42P01", adbc_driver_manager.AdbcStatusCode.NOT_FOUND, pa.ArrowKeyError),
    "NotSupported": ("0A000", adbc_driver_manager.AdbcStatusCode.NOT_IMPLEMENTED, pa.ArrowNotImplementedError),
    "PermissionDenied": ("42501", adbc_driver_manager.AdbcStatusCode.UNAUTHORIZED, flight.FlightUnauthorizedError),
    "Cancelled": ("57014", adbc_driver_manager.AdbcStatusCode.CANCELLED, flight.FlightCancelledError),
    "LimitExceeded": ("53400", adbc_driver_manager.AdbcStatusCode.IO, flight.FlightUnavailableError),
    "StorageUnavailable": ("58030", adbc_driver_manager.AdbcStatusCode.IO, flight.FlightUnavailableError),
    "Conflict": ("40001", adbc_driver_manager.AdbcStatusCode.UNKNOWN, flight.FlightServerError),
    "Corruption": ("XX001", adbc_driver_manager.AdbcStatusCode.INTERNAL, flight.FlightInternalError),
}


def command(sql: str) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(pack_any("CommandStatementQuery", pb.CommandStatementQuery(query=sql)))


def is_clean(text: str) -> bool:
    return not any(word in text for word in ("Traceback", "File ", ".py", "/srv", "/work", "line ", "Detail: Python"))
