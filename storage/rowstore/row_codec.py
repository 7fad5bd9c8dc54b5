"""The row codec encodes rows of one insert as the value of a `hot` key.

    byte 0      format: 1 = record batch alone, 2 = whole IPC stream (types with dictionaries),
                3 = whole IPC stream with `_seq` in front (what a purge or an eviction left of several inserts)
    bytes 1-4   schema version of the table, unsigned big-endian
    bytes 5-    Arrow IPC bytes, columns = the table's physical schema at that version

But for format 3 `_seq` is not stored: row i has the key's `_seq` plus i.
"""

from __future__ import annotations

import struct
from typing import Final

import pyarrow as pa

from storage.errors import Corruption
from storage.state.dictionary_types import has_dictionary

_HEAD = struct.Struct(">BI")
_BATCH: Final = 1
_STREAM: Final = 2
_VERSIONS: Final = 3


def encode_rows(batch: pa.RecordBatch, schema_version: int) -> bytes:
    """Inverse of `decode_rows`."""
    if has_dictionary(batch.schema):
        return _HEAD.pack(_STREAM, schema_version) + _stream(batch)
    return _HEAD.pack(_BATCH, schema_version) + batch.serialize().to_pybytes()


def encode_versions(batch: pa.RecordBatch, schema_version: int) -> bytes:
    """Rows with `_seq` in front, of any `_seq`s that rise. Inverse of `decode_rows`."""
    return _HEAD.pack(_VERSIONS, schema_version) + _stream(batch)


def _stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def schema_version_of(value: bytes) -> int:
    """Raises Corruption."""
    if len(value) < _HEAD.size:
        raise Corruption("a hot batch is cut off")
    return int(_HEAD.unpack_from(value)[1])


def decode_rows(value: bytes, schema: pa.Schema) -> pa.RecordBatch:
    """With `_seq` in front where the value has it.

    schema: the physical schema at the value's schema version. Raises Corruption.
    """
    try:
        kind, _version = _HEAD.unpack_from(value)
        body = pa.py_buffer(value).slice(_HEAD.size)
        if kind in (_STREAM, _VERSIONS):
            return pa.ipc.open_stream(body).read_next_batch()
        if kind == _BATCH:
            return pa.ipc.read_record_batch(pa.ipc.read_message(body), schema)
    except (pa.ArrowException, OSError, EOFError, StopIteration, struct.error) as error:
        raise Corruption(f"a hot batch can't be read: {str(error)[:100]}") from None
    raise Corruption(f"a hot batch has format {kind}, which this server does not know")
