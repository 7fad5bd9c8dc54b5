"""Frames carry messages over a socket between the server and a sandboxed statement: a kind, a length, the bytes."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

import pyarrow as pa

_HEAD: Final = struct.Struct(">BQ")
FRAME_BYTES_MAX: Final = 1 << 40


class Kind(IntEnum):
    PROCESS = 1  # its number, decimal
    REQUEST = 2  # JSON
    BLOB = 3  # as the request counts them
    BATCH = 4  # Arrow IPC stream of one batch
    FAILED = 5  # JSON
    FINISHED = 6


class Ended(Exception):
    """The other side is gone."""


def send(to: socket.socket, kind: Kind, payload: bytes | memoryview | pa.Buffer = b"") -> None:
    """Blocks. Raises OSError."""
    view = memoryview(payload)
    to.sendall(_HEAD.pack(kind, view.nbytes))
    if view.nbytes:
        to.sendall(view)


def receive(source: socket.socket) -> tuple[Kind, memoryview]:
    """Blocks. Raises Ended."""
    kind, length = _HEAD.unpack(_exactly(source, _HEAD.size))
    return Kind(kind), _exactly(source, length)


def _exactly(source: socket.socket, length: int) -> memoryview:
    if length > FRAME_BYTES_MAX:
        raise Ended
    data = bytearray(length)
    view, at = memoryview(data), 0
    while at < length:
        try:
            count = source.recv_into(view[at:])
        except OSError:
            raise Ended from None
        if not count:
            raise Ended
        at += count
    return view


def written(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Buffer:
    """Batches as an IPC stream; inverse of `read`."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def read(data: memoryview) -> pa.Table:
    """What `written` wrote. No copy."""
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()
