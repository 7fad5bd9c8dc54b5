"""Removes index entries that aborted bulk loads left behind.

A load's entries mean nothing until it commits, so a load that was refused, or cut off by a crash, leaves only what
costs room. While a load is under way a `meta` record says so; it goes with the commit, or here after the entries.
Looked for on whatever thread, removed on the committer's, where no writer can come between the look and the removal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Final

from storage.failpoints import reach
from storage.primary_keys.encoding import read_entry
from storage.primary_keys.index import KeyIndex, loading_key
from storage.rowstore.keys import META, PK, partition_range
from storage.rowstore.row_store import Operation, Remove, RowStore
from storage.state.state import DatabaseState

Look = Callable[[DatabaseState], None]
KEYS_AT_ONCE: Final = 4096


def release_keys(index: KeyIndex, store: RowStore, between_commits: Callable[[Look], None]) -> int:
    """Remove the entries of all loads that were given up; how many. Raises StorageUnavailable, Corruption.

    between_commits: runs what it is given on the committer's thread
    """
    released = 0
    for load_id, partition_id in index.given_up().items():
        found = _entries(store, load_id, partition_id)
        while keys := list(islice(found, KEYS_AT_ONCE)):
            reach("load.before_release")
            between_commits(partial(_remove, store, load_id, keys))
            released += len(keys)
        store.write([Remove(META, loading_key(load_id))], durable=False)
        index.forget_load(load_id)
    return released


def _entries(store: RowStore, load_id: int, partition_id: int) -> Iterator[bytes]:
    for key, entry in store.scan(PK, *partition_range(partition_id)):
        if read_entry(entry)[0] == load_id:
            yield key


def _remove(store: RowStore, load_id: int, keys: list[bytes], _: DatabaseState) -> None:
    """On the committer's thread: those that are still the load's."""
    entries = ((key, store.get(PK, key)) for key in keys)
    gone: list[Operation] = [Remove(PK, key) for key, entry in entries if entry and read_entry(entry)[0] == load_id]
    store.write(gone, durable=False)
