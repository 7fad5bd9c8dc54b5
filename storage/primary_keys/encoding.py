"""Primary keys are encoded as bytes that sort as they do; index entries tell which version has one.

Encoding, column after column: integers, booleans, dates, times and timestamps as 8 bytes big-endian with the
sign bit flipped; other fixed-width values likewise by their bits; text and binary with 0x00 written as
0x00 0xFF and 0x00 0x00 behind, except in the last column, which needs no end mark. So two keys are equal
exactly when their bytes are. NULL never gets here (key columns are NOT NULL).

An index value is either 8 bytes, the `_seq` of the live version, or 16 bytes, load id and ordinal of a row
that a bulk load brought; the load's record says which `_seq` it began at. An entry whose load was never
committed means nothing: a crash half way through a load leaves only such entries.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import TableDef
from storage.errors import ConstraintViolated, InvalidRequest

_SEQ = struct.Struct(">Q")
_LOAD = struct.Struct(">QQ")
SHOWN_KEYS_MAX: Final = 3
_KEY_ENTRY_BYTES: Final = 165  # CPython: 33 beside the text, 32 for the number, 100 of a dict that is two thirds full


def encode_keys(columns: Sequence[pa.Array], names: Sequence[str]) -> list[bytes]:
    """One key per row. Raises ConstraintViolated for NULL, InvalidRequest for types that can't be keys."""
    parts = [
        _encode_column(column, name, last=index == len(columns) - 1)
        for index, (column, name) in enumerate(zip(columns, names, strict=True))
    ]
    if len(parts) == 1:
        return parts[0]
    return [b"".join(row) for row in zip(*parts, strict=True)]


def key_bytes(key: bytes) -> int:
    """What an encoded key takes in memory with its number: as objects and as an entry of a dict."""
    return len(key) + _KEY_ENTRY_BYTES


def check_key_type(data_type: pa.DataType, name: str) -> None:
    """Raises InvalidRequest for types that can't be part of a primary key."""
    encode_keys([pa.array([], data_type)], [name])


def _encode_column(column: pa.Array, name: str, *, last: bool) -> list[bytes]:
    if column.null_count:
        raise ConstraintViolated(f"primary key column '{name}' must not be NULL", sqlstate="23502")
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _encode_column(column.cast(kind.value_type), name, last=last)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _texts([value.encode() for value in column.to_pylist()], last=last)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _texts(column.to_pylist(), last=last)
    return _words(_as_int64(column, name))


def _as_int64(column: pa.Array, name: str) -> np.ndarray:
    """int64[n] that sort as the values do; or int64[n, 2] for decimals."""
    kind = column.type
    if pa.types.is_uint64(kind):
        return column.to_numpy(zero_copy_only=False).view(np.int64) ^ np.int64(-(2**63))
    if pa.types.is_int64(kind):
        return _values(column)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        return column.cast(pa.int32()).cast(pa.int64()).to_numpy(zero_copy_only=False)
    if (
        pa.types.is_date64(kind)
        or pa.types.is_time64(kind)
        or pa.types.is_timestamp(kind)
        or pa.types.is_duration(kind)
    ):
        return column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        return _ordered_bits(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    if pa.types.is_decimal128(kind):
        return _decimal_words(column)
    raise InvalidRequest(f"column '{name}' of type {kind} can't be part of a primary key", sqlstate="42P16")


def _values(column: pa.Array) -> np.ndarray:
    """int64[n] of a column without NULLs, in place. Unlike `to_numpy` it does not let go of Python's lock, which for
    a single row costs more than the row."""
    data = column.buffers()[1]
    if data is None:
        return np.empty(0, np.int64)
    found: np.ndarray = np.frombuffer(data, dtype=np.int64)[column.offset : column.offset + len(column)]
    return found


def _ordered_bits(values: np.ndarray) -> np.ndarray:
    """IEEE 754 bits, turned so that they sort as the numbers do; -0.0 and 0.0 are one key, and so are all NaNs."""
    values = np.where(np.isnan(values), np.nan, values)  # before the addition, which warns of some NaNs
    bits = (values + 0.0).view(np.int64)
    return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)


def _decimal_words(column: pa.Array) -> np.ndarray:
    """int64[n, 2]: high word, low word with its sign bit flipped."""
    raw = np.frombuffer(column.buffers()[1], dtype=np.int64)
    pairs = raw.reshape(-1, 2)[column.offset : column.offset + len(column)]
    return np.stack([pairs[:, 1], pairs[:, 0] ^ np.int64(-(2**63))], axis=1)


def _words(values: np.ndarray) -> list[bytes]:
    flipped = (values ^ np.int64(-(2**63))).astype(">i8")
    width = 8 if flipped.ndim == 1 else 8 * flipped.shape[1]
    data = flipped.tobytes()
    return [data[i : i + width] for i in range(0, len(data), width)]


def _texts(values: list[bytes], *, last: bool) -> list[bytes]:
    if last:
        return values
    return [value.replace(b"\0", b"\0\xff") + b"\0\0" for value in values]


def key_taken(table: TableDef, batches: Sequence[pa.RecordBatch], rows: Sequence[int]) -> ConstraintViolated:
    """The error for new rows (numbered over all `batches`, physical) whose primary key is taken."""
    whole = pa.Table.from_batches(list(batches))
    columns = [whole.column(c.physical_name) for c in table.key_columns]
    shown = ["(" + ", ".join(_shown(column[row].as_py()) for column in columns) + ")" for row in rows[:SHOWN_KEYS_MAX]]
    more = ", .." if len(rows) > SHOWN_KEYS_MAX else ""
    return ConstraintViolated(
        f"primary key {', '.join(shown)}{more} already exists in table '{table.name}'; no row was stored"
    )


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + ".."


def repeated_rows(keys: Sequence[bytes]) -> list[int]:
    """Rows whose key an earlier row has."""
    seen: set[bytes] = set()
    rows = []
    for row, key in enumerate(keys):
        if key in seen:
            rows.append(row)
        seen.add(key)
    return rows


def seq_entries(seqs: np.ndarray) -> bytes:
    """Index values side by side, 8 bytes each. seqs: int64."""
    return seqs.astype(">u8").tobytes()


def load_entries(load_id: int, ordinals: np.ndarray) -> bytes:
    """Index values side by side, 16 bytes each. ordinals: int64."""
    values = np.empty((len(ordinals), 2), dtype=">u8")
    values[:, 0], values[:, 1] = load_id, ordinals
    return values.tobytes()


def load_entry(load_id: int, ordinal: int) -> bytes:
    return _LOAD.pack(load_id, ordinal)


def read_entry(value: bytes) -> tuple[int, int]:
    """(load id, ordinal), or (0, `_seq`) for a plain entry."""
    if len(value) == _SEQ.size:
        return 0, int(_SEQ.unpack(value)[0])
    load_id, ordinal = _LOAD.unpack(value)
    return int(load_id), int(ordinal)
