"""Delete records on disk: which versions each commit deleted, and how far back a partition was purged.

The key is (partition, commit), the value int64 little-endian, sorted: `_seq`s. No commit has the number 0: the record
there is one number, the newest commit of which a deleted version was purged. No earlier moment can be shown any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from storage.errors import Corruption
from storage.rowstore.keys import DELETES, pair_key, split_pair_key
from storage.rowstore.row_store import Operation, Put, Remove, RowStore
from storage.state.delete_set import DeleteChunk, DeleteSet

_PURGED: Final = 0


def delete_record(partition_id: int, commit: int, seqs: np.ndarray) -> Operation:
    """seqs: int64, sorted; without any the record goes."""
    key = pair_key(partition_id, commit)
    return Put(DELETES, key, seqs.astype("<i8").tobytes()) if len(seqs) else Remove(DELETES, key)


def purged_record(partition_id: int, purged_seq: int) -> Operation:
    return delete_record(partition_id, _PURGED, np.array([purged_seq], np.int64))


def oldest_deletes(store: RowStore, start: bytes, end: bytes) -> Iterator[tuple[int, int]]:
    """(partition, the oldest commit that deleted something) in [start, end). Seeks from one to the next."""
    key = store.first_key(DELETES, start, end)
    while key is not None:
        partition_id, commit = split_pair_key(key)
        if commit != _PURGED:
            yield partition_id, commit
        after = pair_key(partition_id, 1) if commit == _PURGED else pair_key(partition_id + 1, 0)
        key = store.first_key(DELETES, after, end)


def read_deletes(pairs: Iterable[tuple[bytes, bytes]], table: str) -> tuple[DeleteSet, int]:
    """(the deletes, `purged_seq`) of one partition. Raises Corruption."""
    deletes, purged_seq = DeleteSet(), 0
    for key, value in pairs:
        commit = split_pair_key(key)[1]
        if len(value) % 8:
            raise Corruption(f"table '{table}' has a delete record of {len(value)} bytes, which is no list of rows")
        seqs = np.frombuffer(value, dtype="<i8").astype(np.int64)
        if commit == _PURGED:
            purged_seq = int(seqs.max(initial=0))
        else:
            deletes = deletes.with_chunk(DeleteChunk(seqs, np.full(len(seqs), commit, dtype=np.int64)))
    return deletes, purged_seq
