"""UserPartitions keeps partitions of user tables in memory while their users are there, on disk alone otherwise.

A partition that is not in memory has not changed since it left, because a commit fetches it first. So what a state
without it would have shown is what the disk holds now, unless something in it is newer than the state: then the
reader gets a Conflict, and a statement of its own simply runs again.

Loaded on the committer's thread, so that no commit comes in between, and published as part of the newest state.
Partitions leave memory when their owner has been idle and nothing of them is hot, or, oldest use first, when more
are in memory than are allowed. Those that left with hot rows are remembered, for the interval of their flush policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from storage.catalog.partition_ids import FIRST_OWNED, owner_of_partition, table_of_partition
from storage.catalog.schema import TableDef, fill_arrays
from storage.clock import Clock
from storage.errors import Conflict
from storage.rowstore.catalog_records import stored_version
from storage.rowstore.keys import HOT, MANIFEST, owned_range, pair_key, partition_of, partition_range, split_pair_key
from storage.rowstore.load_state import load_partition
from storage.rowstore.manifest_records import decode_cold_file
from storage.rowstore.owners import Owners
from storage.rowstore.row_store import RowStore
from storage.seq import ms_of
from storage.state.state import ColdFile, DatabaseState, PartitionState
from storage.state.transitions import after_alter

ATTEMPTS_MAX: Final = 10
UNLOADED_SHARE: Final = 0.1  # of the limit: so many leave at once, so that not each load has to look
_FIRST_KEY: Final = pair_key(FIRST_OWNED, 0)


class UserPartitions:
    """What is known of users' partitions beside the states. Changes on the committer's thread."""

    def __init__(self, store: RowStore, owners: Owners, clock: Clock, loaded_max: int, idle_seconds: float) -> None:
        """Looks which partitions have hot rows; nothing else of them is read. Raises Corruption."""
        self._store = store
        self._owners = owners
        self._clock = clock
        self._loaded_max = loaded_max
        self._idle_seconds = idle_seconds
        self._loaded: dict[int, float] = {}  # partition -> since when it is in memory
        self._seen: dict[int, float] = {}  # owner -> when their last statement began
        self._left: set[int] = set()  # from memory, since somebody asked
        self._waiting = dict(_hot_partitions(store))

    def load(self, partition_id: int, table: TableDef) -> PartitionState:
        """As it is on disk now, under the table's newest schema. Raises Corruption."""
        owned = table.owned_by(self._owners.by_number(owner_of_partition(partition_id)))
        found = self.read(owned)
        self._waiting.pop(partition_id, None)
        self._loaded[partition_id] = self._clock.monotonic_seconds()
        return found

    def read(self, owned: TableDef) -> PartitionState:
        """As it is on disk now. On the committer's thread that is one moment. Raises Corruption."""
        return load_partition(self._store, owned, partial(stored_version, self._store))[0]

    def touch(self, owner_number: int) -> None:
        """A statement of the owner begins."""
        self._seen[owner_number] = self._clock.monotonic_seconds()

    def unloaded(self, partitions: Iterable[PartitionState]) -> None:
        """They are not in memory any more."""
        for partition in partitions:
            self._loaded.pop(partition.partition_id, None)
            self._left.add(partition.partition_id)
            if partition.oldest_hot_ms is not None:
                self._waiting[partition.partition_id] = partition.oldest_hot_ms

    def forget(self, partition_id: int) -> None:
        """Its rows are gone."""
        self._loaded.pop(partition_id, None)
        self._waiting.pop(partition_id, None)

    def left_since_asked(self) -> set[int]:
        """Partitions that left memory since this was asked before."""
        left, self._left = self._left, set()
        return left

    def idle(self, state: DatabaseState) -> list[int]:
        """Those whose owners are gone and that have nothing to flush."""
        before = self._clock.monotonic_seconds() - self._idle_seconds
        for number in [number for number, seen in self._seen.copy().items() if seen < before]:
            self._seen.pop(number, None)
        for dropped in [id_ for id_ in self._loaded if id_ not in state.partitions]:
            self._loaded.pop(dropped)
        return [id_ for id_ in self._loaded if self._used(id_) < before and _is_cold(state, id_)]

    def over_limit(self, state: DatabaseState, but: int = 0) -> list[int]:
        """Those that must leave because there are too many; never `but`."""
        loaded = [id_ for id_ in self._loaded if id_ != but and id_ in state.partitions]
        if len(loaded) < self._loaded_max + (but == 0):
            return []
        loaded.sort(key=self._used)
        return loaded[: max(1, len(loaded) - self._loaded_max + int(self._loaded_max * UNLOADED_SHARE))]

    def waiting(self) -> dict[int, int]:
        """Partitions that have hot rows and are not in memory -> commit time of the oldest row, in ms."""
        return self._waiting.copy()

    def oldest_waiting(self) -> dict[int, int]:
        """Table id -> commit time of the oldest hot row that is not in memory, in ms."""
        oldest: dict[int, int] = {}
        for partition_id, oldest_ms in self.waiting().items():
            table_id = table_of_partition(partition_id)
            oldest[table_id] = min(oldest_ms, oldest.get(table_id, oldest_ms))
        return oldest

    def stored(self, table_id: int) -> list[int]:
        """Every partition of a user table that has rows."""
        start, end = owned_range(table_id)
        hot, cold = (_partition_ids(self._store, family, start, end) for family in (HOT, MANIFEST))
        return sorted({*hot, *cold})

    def has_rows(self, partition_id: int) -> bool:
        """Whether anything of it is on disk."""
        start, end = partition_range(partition_id)
        return any(self._store.first_key(family, start, end) is not None for family in (HOT, MANIFEST))

    def files(self, table_id: int | None = None) -> Iterator[tuple[int, ColdFile]]:
        """(partition, file) of user tables, or of one of them, whether the partitions are in memory or not."""
        start, end = (_FIRST_KEY, None) if table_id is None else owned_range(table_id)
        for key, value in self._store.scan(MANIFEST, start, end):
            yield decode_cold_file(key, value)

    def is_live(self, partition_id: int, file_id: int) -> bool:
        """Whether the manifest names the file now."""
        return self._store.get(MANIFEST, pair_key(partition_id, file_id)) is not None

    def addresses(self) -> set[str]:
        return {file.address for _, file in self.files()}

    def _used(self, partition_id: int) -> float:
        seen = self._seen.get(owner_of_partition(partition_id), 0.0)
        return max(seen, self._loaded.get(partition_id, 0.0))


def attached(
    state: DatabaseState,
    partition_id: int,
    newest: Callable[[], DatabaseState],
    fetch: Callable[[int], PartitionState],
) -> PartitionState:
    """What a partition was at the moment of `state`, which does not have it in memory; `state` remembers it.

    Raises Conflict when it has changed since then, Corruption.
    """
    table_id = table_of_partition(partition_id)
    table = state.catalog.tables_by_id.get(table_id)
    if table is None or table.changed_seq == 0:  # made by the transaction that asks
        return PartitionState(partition_id)
    for _ in range(ATTEMPTS_MAX):
        found = fetch(partition_id)
        now = newest()
        table_now = now.catalog.tables_by_id.get(table_id)
        if table_now is None or table_now.version > table.version or found.newest_seq > state.last_seq:
            break
        shown = found if table_now.version == table.version else after_alter(found, table, fill_arrays(table))
        state.attached[partition_id] = shown  # from here on its files stay on disk with the state
        if now.partitions.get(partition_id) is found and newest().partitions.get(partition_id) is found:
            return shown
    raise Conflict(f"table '{table.name}' was changed by another transaction first; run yours again")


def _is_cold(state: DatabaseState, partition_id: int) -> bool:
    found = state.partitions.get(partition_id)
    return found is not None and not found.hot


def _hot_partitions(store: RowStore) -> Iterator[tuple[int, int]]:
    """(partition, commit time of its oldest hot row in ms) of every user's partition that has hot rows."""
    key = store.first_key(HOT, _FIRST_KEY, None)
    while key is not None:
        partition_id, first_seq = split_pair_key(key)
        yield partition_id, ms_of(first_seq)
        key = store.first_key(HOT, pair_key(partition_id + 1, 0), None)


def _partition_ids(store: RowStore, family: str, start: bytes, end: bytes) -> Iterator[int]:
    """Seeks from one to the next: what they hold is not read."""
    key = store.first_key(family, start, end)
    while key is not None:
        partition_id = partition_of(key)
        yield partition_id
        key = store.first_key(family, pair_key(partition_id + 1, 0), end)
