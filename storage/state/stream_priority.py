"""Priority eviction finds the events with the lowest values of a column, without sorting them for each commit.

A sorted list of the lowest so many is kept with the partition. New events are put into it where they belong, if they
come before its end; those that leave are taken from its front. All events are looked at again only when it is used up,
so an event's share of that is small.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import TableDef
from storage.errors import InvalidRequest
from storage.state.state import HotChunk, PartitionState
from storage.state.stream_buffer import Lowest

LISTED_MIN: Final = 1024
LISTED_MAX: Final = 16_384  # a longer list costs more at each commit than it saves


def check_priority(table: TableDef) -> None:
    """Raises InvalidRequest unless the column of the eviction is a number."""
    column = table.column(table.options.eviction.column)
    if column is None:
        raise InvalidRequest(
            f"eviction names column '{table.options.eviction.column}', which table '{table.name}' does not have",
            sqlstate="42703",
        )
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise InvalidRequest(
            f"eviction by priority takes a column of an integer or floating point type; '{column.name}' of table "
            f"'{table.name}' is {column.sql_type}"
        )


def lowest_of(table: TableDef, partition: PartitionState, seq_from: int, number: int) -> tuple[np.ndarray, Lowest]:
    """(int64[number]: `_seq`s of the events from `seq_from` on that leave first, what is known of those that stay)."""
    known = partition.buffer.lowest
    if known is not None:
        there = known.seqs >= seq_from
        known = Lowest(known.values[there], known.seqs[there])
    if known is None or len(known.seqs) < number:
        known = _listed(table, partition, seq_from, number)
    return known.seqs[:number], Lowest(known.values[number:], known.seqs[number:])


def with_new(table: TableDef, partition: PartitionState, batch: pa.RecordBatch) -> PartitionState:
    """`partition`, to which the rows of `batch` (with `_seq` in front) were added, with its list brought up to date."""
    lowest = partition.buffer.lowest
    if lowest is None:
        return partition
    if len(lowest.seqs) == 0:  # used up: what is not in it may come before what is new
        return replace(partition, buffer=replace(partition.buffer, lowest=None))
    values, seqs = _priorities(table, HotChunk(batch))
    low = values < lowest.values[-1]  # among equal ones the new are the last
    order = np.argsort(values[low], kind="stable")
    values, seqs = values[low][order], seqs[low][order]
    at = np.searchsorted(lowest.values, values, "right")
    merged = Lowest(np.insert(lowest.values, at, values), np.insert(lowest.seqs, at, seqs))
    return replace(partition, buffer=replace(partition.buffer, lowest=merged))


def _listed(table: TableDef, partition: PartitionState, seq_from: int, number: int) -> Lowest:
    found = [_priorities(table, chunk) for chunk in partition.hot]
    values, seqs = (np.concatenate(parts) for parts in zip(*found, strict=True))
    there = seqs >= seq_from
    values, seqs = values[there], seqs[there]
    listed = number + min(max(len(seqs) // 8, LISTED_MIN), LISTED_MAX)
    order = np.argsort(values, kind="stable")[:listed]  # `_seq`s rise, so of equal values the oldest come first
    return Lowest(values[order], seqs[order])


def _priorities(table: TableDef, chunk: HotChunk) -> tuple[np.ndarray, np.ndarray]:
    """Of the live rows: (their values as numbers that sort alike, int64: their `_seq`s)."""
    column = table.column(table.options.eviction.column)
    assert column is not None
    values = _numbers(chunk.batch.column(column.physical_name))
    return (values, chunk.seqs) if chunk.dead is None else (values[~chunk.dead], chunk.seqs[~chunk.dead])


def _numbers(column: pa.Array) -> np.ndarray:
    """NULL counts as the lowest value, NaN as the highest."""
    if pa.types.is_floating(column.type):
        floats = column.cast(pa.float64()).fill_null(-np.inf).to_numpy(zero_copy_only=False)
        return np.where(np.isnan(floats), np.inf, floats)
    if pa.types.is_uint64(column.type):
        unsigned = column.fill_null(0).to_numpy(zero_copy_only=False)
        return (unsigned ^ np.uint64(1 << 63)).view(np.int64)
    least = np.iinfo(np.int64).min
    return np.asarray(column.cast(pa.int64()).fill_null(least).to_numpy(zero_copy_only=False), dtype=np.int64)
