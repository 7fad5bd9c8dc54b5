"""Flight by hand: one call on one HTTP/2 connection, with whatever bytes for its messages.

For what no client library would send, and for the calls that pyarrow has none of. Small messages only: nothing is
done about flow control, and of the answer nothing is read but its status, its text and the messages.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

FRAME_BYTES_MAX = 16_384
SECONDS_MAX = 30.0
_DATA, _HEADERS, _SETTINGS, _PING, _RESET, _GO_AWAY = 0, 1, 4, 6, 3, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1


@dataclass(frozen=True, slots=True)
class Answer:
    """status: gRPC's number, -1 when the stream was reset or the connection closed without one."""

    status: int
    text: str
    messages: bytes = b""


def call(
    uri: str, method: str, messages: Iterable[bytes], headers: Iterable[tuple[str, str]] = (), *, framed: bool = True
) -> Answer:
    """Call `method` ("DoGet") of the Flight service. framed=False: `messages` hold gRPC's own prefix, or not."""
    host, _, port = uri.removeprefix("grpc://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS_MAX) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b""))
        connection.sendall(_frame(_HEADERS, _END_HEADERS, 1, _header_block(method, host, headers)))
        try:
            for message in messages:
                prefixed = b"\0" + struct.pack(">I", len(message)) + message if framed else message
                for at in range(0, len(prefixed), FRAME_BYTES_MAX):
                    connection.sendall(_frame(_DATA, 0, 1, prefixed[at : at + FRAME_BYTES_MAX]))
            connection.sendall(_frame(_DATA, _END_STREAM, 1, b""))
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered before all was sent
        return _answer(connection)


@contextmanager
def silent(uri: str, method: str, headers: Iterable[tuple[str, str]] = ()) -> Iterator[None]:
    """A call that is opened and into which nothing is sent."""
    host, _, port = uri.removeprefix("grpc://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS_MAX) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b""))
        connection.sendall(_frame(_HEADERS, _END_HEADERS, 1, _header_block(method, host, headers)))
        yield


def field(number: int, value: bytes | int) -> bytes:
    """A protobuf field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def flight_descriptor(command: bytes) -> bytes:
    return field(1, 2) + field(2, command)


def flight_data(header: bytes, body: bytes = b"", descriptor: bytes | None = None) -> bytes:
    return (b"" if descriptor is None else field(1, descriptor)) + field(2, header) + field(1000, body)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _header_block(method: str, host: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """HPACK, every field as a literal that is not indexed."""
    own = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", f"/arrow.flight.protocol.FlightService/{method}"),
        (":authority", host),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    return b"".join(b"\0" + _string(name.encode()) + _string(value.encode()) for name, value in [*own, *headers])


def _string(data: bytes) -> bytes:
    return (bytes([len(data)]) if len(data) < 127 else b"\x7f" + varint(len(data) - 127)) + data


def _answer(connection: socket.socket) -> Answer:
    blocks = messages = b""
    try:
        while True:
            kind, flags, stream, payload = _read_frame(connection)
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                connection.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
            elif stream == 1 and kind == _HEADERS:
                blocks += payload
            elif stream == 1 and kind == _DATA:
                messages += payload
            if kind == _GO_AWAY or (stream == 1 and (kind == _RESET or flags & _END_STREAM)):
                break
    except (ConnectionError, EOFError):
        pass
    status = re.search(rb"grpc-status.(\d+)", blocks, re.DOTALL)
    return Answer(int(status[1]) if status else -1, _text(blocks), messages)


def _text(blocks: bytes) -> str:
    """The value behind the literal name; on a new connection nothing is indexed yet, and gRPC leaves ASCII as it is."""
    _, found, rest = blocks.partition(b"grpc-message")
    if not found:
        return ""
    size, at = rest[0] & 0x7F, 1
    if size == 127:
        shift = 0
        while True:
            size += (rest[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not rest[at - 1] & 0x80:
                break
    return unquote_to_bytes(rest[at : at + size]).decode(errors="replace")


def _read_frame(connection: socket.socket) -> tuple[int, int, int, bytes]:
    head = _read(connection, 9)
    size = int.from_bytes(head[:3], "big")
    return head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF, _read(connection, size)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
