"""Replay reads what changed after a given `_seq` from the state alone, for listeners that were away.

New rows are the versions above it, deletes are those committed above it; both are in the state until the retention
lets them go. Where one ends and the next commit begins is not on disk, so a version and the one that took its key in
the same millisecond are taken for one change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import TableDef, TableKind
from storage.cold.file_store import FileStores
from storage.cold.parquet import read_seqs
from storage.commit.deltas import NONE, Delta, seqs_of, versions
from storage.errors import InvalidRequest
from storage.primary_keys.encoding import encode_keys
from storage.seq import ms_of, seq_at
from storage.state.state import PartitionState
from storage.state.stream_retention import visible

CHANGES_AT_ONCE: Final = 1 << 15


def check_kept(table: TableDef, partition: PartitionState, after_seq: int, now_ms: int) -> None:
    """Whether everything after `after_seq` is still there to be told. Raises InvalidRequest."""
    if table.kind is TableKind.STREAM:
        if after_seq < max(partition.buffer.left_seq, _newest_hidden(partition, visible(table, partition, now_ms))):
            raise InvalidRequest(
                f"events of stream table '{table.name}' after from_seq {after_seq} are past its retention or its "
                "max_buffer, so some would be missing; subscribe without from_seq"
            )
    elif after_seq < partition.purged_seq:
        raise InvalidRequest(
            f"from_seq {after_seq} is older than what table '{table.name}' keeps of deleted rows (deleted_retention), "
            "so changes would be missing; subscribe without from_seq"
        )


def _newest_hidden(partition: PartitionState, shown: PartitionState) -> int:
    """`_seq` of the newest event that only `partition` has; 0 when there is none."""
    first = shown.hot[0].seqs[0] if shown.hot else np.iinfo(np.int64).max
    ends = [(chunk, int(np.searchsorted(chunk.seqs, first))) for chunk in partition.hot]
    return max((int(chunk.seqs[end - 1]) for chunk, end in ends if end), default=0)


def past_deltas(file_stores: FileStores, partition: PartitionState, table: TableDef, after_seq: int) -> Iterator[Delta]:
    """Everything after `after_seq`, in order and part by part; the partition belongs to an open snapshot.

    Raises Corruption, also when a version is gone for good: ask before whether the retention reaches so far.
    """
    came = _came(file_stores, partition, after_seq)
    went, commits = _went(partition, after_seq)
    if table.kind is TableKind.STREAM:  # what is deleted there was evicted, which is no change
        came = came[~np.isin(came, partition.deletes.all.seqs)]
        went = commits = np.empty(0, np.int64)
    for low, high in _windows(np.sort(np.concatenate([came, commits]))):
        new = came[np.searchsorted(came, low) : np.searchsorted(came, high)]
        first, last = np.searchsorted(commits, [low, high])
        yield _delta(file_stores, partition, table, new, went[first:last], commits[first:last])


def _delta(
    file_stores: FileStores,
    partition: PartitionState,
    table: TableDef,
    new: np.ndarray,
    went: np.ndarray,
    commits: np.ndarray,
) -> Delta:
    order = np.argsort(went)
    new_rows = versions(file_stores, partition, table, new)
    old_rows = versions(file_stores, partition, table, went[order])
    commits = commits[order]
    return Delta(new_rows, old_rows, commits, _replaced(table, new_rows, old_rows, commits))


def _replaced(table: TableDef, new: pa.RecordBatch, old: pa.RecordBatch, commits: np.ndarray) -> np.ndarray:
    """int64[new rows]: the old row with the same key that went in the same millisecond, right before it came."""
    replaced = np.full(new.num_rows, NONE)
    if not table.primary_key or not new.num_rows or not old.num_rows:
        return replaced
    gone: dict[tuple[bytes, int], list[int]] = {}
    old_keys = _keys(table, old)
    for row in np.argsort(commits, kind="stable").tolist()[::-1]:  # the first to go is the last of each list
        gone.setdefault((old_keys[row], ms_of(int(commits[row]))), []).append(row)
    for row, (key, seq) in enumerate(zip(_keys(table, new), seqs_of(new).tolist(), strict=True)):
        candidates = gone.get((key, ms_of(seq)), [])
        if candidates and commits[candidates[-1]] < seq:
            replaced[row] = candidates.pop()
    return replaced


def _keys(table: TableDef, batch: pa.RecordBatch) -> list[bytes]:
    return encode_keys([batch.column(c.physical_name) for c in table.key_columns], list(table.primary_key))


def _came(file_stores: FileStores, partition: PartitionState, after_seq: int) -> np.ndarray:
    """int64, rising: the `_seq`s of the versions that came, but for those that were never seen alive."""
    found = [chunk.seqs[np.searchsorted(chunk.seqs, after_seq, "right") :] for chunk in partition.hot]
    for file in partition.cold:
        if file.seq_max > after_seq:
            file_stores.of(file).check(file.path, file.bytes, file.checksum)
            seqs = read_seqs(file_stores.of(file), file)
            found.append(seqs[seqs > after_seq])
    came = np.sort(np.concatenate([np.empty(0, np.int64), *found]))
    return came[~np.isin(came, _never_alive(partition))]


def _went(partition: PartitionState, after_seq: int) -> tuple[np.ndarray, np.ndarray]:
    """(int64 `_seq`s of the versions that went, int64 commits, rising)."""
    every = partition.deletes.all
    late = (every.commits > after_seq) & (every.commits > every.seqs)
    order = np.argsort(every.commits[late], kind="stable")
    return every.seqs[late][order], every.commits[late][order]


def _never_alive(partition: PartitionState) -> np.ndarray:
    """Versions that the very commit that brought them deleted again."""
    every = partition.deletes.all
    return every.seqs[every.commits <= every.seqs]


def _windows(positions: np.ndarray) -> Iterator[tuple[int, int]]:
    """[low, high) over all of `positions` (rising): about CHANGES_AT_ONCE in each, and no millisecond cut in two."""
    start = 0
    while start < len(positions):
        last = int(positions[min(start + CHANGES_AT_ONCE, len(positions)) - 1])
        high = seq_at(ms_of(last) + 1)
        yield int(positions[start]), high
        start = int(np.searchsorted(positions, high))
