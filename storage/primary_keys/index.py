"""KeyIndex tells which row version has a primary key now.

Read by writers to find rows and by the committer to refuse doubles. Entries of bulk loads count only once the
load is committed; while a load is under way its keys are taken, so that of two writers the first one wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from storage.primary_keys.encoding import read_entry
from storage.rowstore.keys import META, PK, MetaKind, meta_key, pk_prefix
from storage.rowstore.row_store import Operation, Put, RowStore

UNDER_WAY: Final = -1  # the key belongs to a bulk load that is not committed yet


class KeyIndex:
    """Lookups are safe from any thread; `loads` and `under_way` change on the committer thread alone."""

    def __init__(self, store: RowStore, loads: dict[int, int], cut_off: dict[int, int]) -> None:
        """loads: committed ones -> first `_seq`; cut_off: those that an earlier life left -> partition"""
        self._store = store
        self._loads = loads
        self._under_way: dict[int, int] = {}  # load -> partition
        self._marked: set[int] = set()  # of those, which have entries
        self._given_up = cut_off

    def find(
        self, partition_id: int, keys: Sequence[bytes], pending: Mapping[bytes, int | None] | None = None
    ) -> list[int | None]:
        """For each encoded key: `_seq` of its live version, UNDER_WAY, or None.

        pending: full `pk` keys -> `_seq` (None = removed) of edits that are not written yet; it goes first.
        """
        prefix, get = pk_prefix(partition_id), self._store.get
        if not pending:
            return [self._live(get(PK, prefix + key)) for key in keys]
        found = []
        for key in keys:
            full = prefix + key
            found.append(pending[full] if full in pending else self._live(self._store.get(PK, full)))
        return found

    def begin_load(self, load_id: int, partition_id: int) -> None:
        """From now on the load's entries count as taken."""
        self._under_way[load_id] = partition_id

    def mark(self, load_id: int, partition_id: int) -> list[Operation]:
        """What is written with the first entries of a load: that it is under way."""
        if load_id in self._marked:
            return []
        self._marked.add(load_id)
        return [Put(META, loading_key(load_id), str(partition_id).encode())]

    def given_up(self) -> dict[int, int]:
        """Loads that came to nothing and may have left entries -> partition."""
        return self._given_up.copy()

    def forget_load(self, load_id: int) -> None:
        """No entry of a load that was given up is left."""
        self._given_up.pop(load_id, None)

    def is_loading(self, partition_id: int, but: int = 0) -> bool:
        """Whether a load into the partition is under way, other than `but`."""
        return any(found == partition_id and id_ != but for id_, found in tuple(self._under_way.items()))

    def is_loading_within(self, start: bytes, end: bytes) -> bool:
        """The same for a range of partitions, as keys."""
        return any(start <= pk_prefix(found) < end for found in tuple(self._under_way.values()))

    def commit_load(self, load_id: int, first_seq: int) -> None:
        """The load is on disk: its entries stand for first_seq + ordinal."""
        self._loads[load_id] = first_seq
        self._under_way.pop(load_id, None)
        self._marked.discard(load_id)

    def abort_load(self, load_id: int) -> None:
        """The load's entries mean nothing any more."""
        partition_id = self._under_way.pop(load_id, None)
        if partition_id is not None and load_id in self._marked:
            self._marked.discard(load_id)
            self._given_up[load_id] = partition_id

    def _live(self, entry: bytes | None) -> int | None:
        if entry is None:
            return None
        load_id, number = read_entry(entry)
        if load_id == 0:
            return number
        first_seq = self._loads.get(load_id)
        if first_seq is not None:
            return first_seq + number
        return UNDER_WAY if load_id in self._under_way else None


def loading_key(load_id: int) -> bytes:
    """Of the record that a load is under way; its value is the partition's id, as text."""
    return meta_key(MetaKind.LOADING, f"{load_id:020d}")
