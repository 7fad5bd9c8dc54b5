"""Messages: Any around the Flight SQL messages, sizes, and bytes that are not what they say.

Promise: whatever the bytes, nothing but InvalidRequest or NotSupported is raised.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import DecodeError

from flight_server.wire import flight_sql_pb2 as pb
from storage.errors import InvalidRequest, NotSupported

REQUEST_BYTES_MAX: Final = 16 << 20
_PACKAGE: Final = "arrow.flight.protocol.sql."
_URL: Final = "type.googleapis.com/" + _PACKAGE


def unpack_any(data: bytes) -> tuple[str, bytes]:
    """Message name without package, and its bytes."""
    message = parse(pb.AnyMessage, checked_size(data))
    _, _, full_name = message.type_url.rpartition("/")
    package, name = full_name[: len(_PACKAGE)], full_name[len(_PACKAGE) :]
    if package != _PACKAGE or not name:
        raise InvalidRequest("the request is not a Flight SQL message; use a Flight SQL client")
    return name, message.value


def pack_any(name: str, message: Any) -> bytes:
    return to_bytes(pb.AnyMessage(type_url=_URL + name, value=to_bytes(message)))


def checked_size(data: bytes) -> bytes:
    if len(data) > REQUEST_BYTES_MAX:
        raise InvalidRequest(
            f"the request has {len(data)} bytes, more than the {REQUEST_BYTES_MAX} allowed; send less", sqlstate="54000"
        )
    return data


def parse(kind: Any, data: bytes) -> Any:
    """A message of `kind`. Raises InvalidRequest for truncated bytes, deep nesting and text that is not UTF-8."""
    try:
        return kind.FromString(data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest(
            f"the bytes of {kind.DESCRIPTOR.name} can't be read; use a Flight SQL client", sqlstate="08P01"
        ) from None


def to_bytes(message: Any) -> bytes:
    return message.SerializeToString()


def unknown(what: str, name: str) -> NotSupported:
    if "Substrait" in name:
        return NotSupported("Substrait plans are not supported; send SQL text")
    return NotSupported(f"{what} '{name[:80]}' is not supported")


def optional(message: Any, field: str) -> Any:
    """The field, or None when it was not sent (which is not the same as empty)."""
    return getattr(message, field) if message.HasField(field) else None
