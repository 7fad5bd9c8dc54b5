"""Encodings of Parquet columns are chosen by their types, and by what a sample of their values takes in each.

Numbers near the one before them are read fastest as differences (DELTA_BINARY_PACKED; parquet-format, Encodings.md),
numbers of few values as a dictionary, all others as they are. Texts have dictionaries. What a codec hardly makes
smaller is not compressed, since whoever reads it has to decompress it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DELTA: Final = "DELTA_BINARY_PACKED"
PLAIN: Final = "PLAIN"
_BLOCK_ROWS: Final = 128  # of DELTA_BINARY_PACKED, as Arrow writes it, in miniblocks of 32
_MINIBLOCKS: Final = 4
_SAMPLE_BLOCKS: Final = 32
_FEW_SHARE: Final = 1 / 4  # of the sample: so many different values are few
_DELTA_BITS_MORE: Final = 6  # a value may have more as a difference than in a dictionary, since it is read faster
_DELTA_SHARE_MAX: Final = 0.8  # of a plain value's bits
_SAVED_MIN: Final = 0.15  # of a column's bytes, or it is not compressed
_FRAMELESS: Final = {"lz4": "lz4_raw"}  # as Parquet has it
_DECIMAL_DIGITS_OF_INT64: Final = 18


@dataclass(frozen=True, slots=True)
class Encoding:
    """Of one column of Parquet. name: a writer's word for it, None = a dictionary, then plain when it grows."""

    name: str | None = None
    is_compressed: bool = True


DICTIONARY: Final = Encoding()


def encoding_of(column: pa.Array, codec: str) -> Encoding:
    """For a flat column, by its type and its values; those of a row group speak for those of the file."""
    kind = column.type
    if pa.types.is_floating(kind):
        return _of_fractions(_sampled(column), codec)
    if _width_bits(kind) == 0:
        return DICTIONARY
    values = _as_integers(_sampled(column))
    return DICTIONARY if values is None or len(values) < _BLOCK_ROWS else _of_numbers(values, _width_bits(kind), codec)


def _of_numbers(values: np.ndarray, width_bits: int, codec: str) -> Encoding:
    differences = _delta_bits(values)
    different = len(np.unique(values))
    if different <= len(values) * _FEW_SHARE and differences > np.log2(different) + _DELTA_BITS_MORE:
        return Encoding(is_compressed=False)
    if differences <= width_bits * _DELTA_SHARE_MAX:
        return Encoding(DELTA, is_compressed=False)
    return Encoding(PLAIN, _is_worth_it(values, codec))


def _of_fractions(values: pa.Array, codec: str) -> Encoding:
    if len(values) < _BLOCK_ROWS or pc.count_distinct(values).as_py() <= len(values) * _FEW_SHARE:
        return DICTIONARY
    return Encoding(PLAIN, _is_worth_it(values.fill_null(0).to_numpy(), codec))


def _sampled(column: pa.Array) -> pa.Array:
    """Blocks of neighbours from all over the column, without NULLs, which take no room."""
    blocks = len(column) // _BLOCK_ROWS
    if blocks <= _SAMPLE_BLOCKS:
        return column.drop_null()
    starts = np.linspace(0, blocks - 1, _SAMPLE_BLOCKS).astype(np.int64) * _BLOCK_ROWS
    return pa.concat_arrays([column.slice(start, _BLOCK_ROWS) for start in starts]).drop_null()


def _width_bits(kind: pa.DataType) -> int:
    """Of a value that Parquet holds as a whole number; 0 = it does not."""
    if pa.types.is_decimal(kind):
        return 0 if kind.precision > _DECIMAL_DIGITS_OF_INT64 else 64 if kind.precision > 9 else 32
    if pa.types.is_integer(kind) or (pa.types.is_temporal(kind) and not pa.types.is_interval(kind)):
        return 64 if kind.bit_width == 64 else 32
    return 0


def _as_integers(values: pa.Array) -> np.ndarray | None:
    """int64[len(values)]: what Parquet holds. None where that can't be had."""
    if pa.types.is_decimal(values.type):
        words = np.frombuffer(values.buffers()[1], dtype="<i8") if values.type.bit_width >= 64 else None
        if words is None:
            return None
        per_value = values.type.bit_width // 64
        return words[::per_value][values.offset : values.offset + len(values)]
    signed = pa.int64() if values.type.bit_width == 64 else pa.int32()
    if pa.types.is_temporal(values.type):
        values = values.view(signed)
    numbers = values.to_numpy(zero_copy_only=False)
    return numbers.astype(np.int64, copy=False) if numbers.dtype != np.uint64 else numbers.view(np.int64)


def _delta_bits(values: np.ndarray) -> float:
    """Bits that a value takes as a difference, on average: a miniblock has the width of its greatest."""
    blocks = values[: len(values) // _BLOCK_ROWS * _BLOCK_ROWS].reshape(-1, _BLOCK_ROWS)
    steps = np.diff(blocks, axis=1, prepend=blocks[:, :1])  # wraps, as the format does
    above = (steps - steps.min(axis=1, keepdims=True)).view(np.uint64)
    greatest = above.reshape(len(blocks), _MINIBLOCKS, -1).max(axis=2)
    return float(np.ceil(np.log2(greatest.astype(np.float64) + 1)).mean())


def _is_worth_it(values: np.ndarray, codec: str) -> bool:
    if codec == "none":
        return False
    data = values.tobytes()
    return len(pa.compress(data, codec=_FRAMELESS.get(codec, codec))) < len(data) * (1 - _SAVED_MIN)
