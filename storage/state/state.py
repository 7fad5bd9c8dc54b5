"""DatabaseState and PartitionState: immutable states that readers hold without locks.

A `DatabaseState` is replaced at each commit; whoever holds one sees that moment for as long as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import msgspec
import numpy as np
import pyarrow as pa

from storage.catalog.catalog import Catalog
from storage.catalog.partition_ids import is_owned, owner_of_partition, table_of_partition
from storage.catalog.schema import SEQ, TableKind
from storage.catalog.storages import LOCAL
from storage.seq import ms_of
from storage.state.batch_rows import kept_rows
from storage.state.delete_set import DeleteSet
from storage.state.stream_buffer import EMPTY_BUFFER, Buffer


class ColdFile(msgspec.Struct, frozen=True, kw_only=True):
    """One live Parquet file, as the manifest knows it.

    path:           relative to the base of its storage (of `local`: the data directory's `cold` folder)
    storage:        where it lies
    rows, bytes:    row versions in it (deleted ones too), size on disk
    seq_min/max:    the smallest and largest `_seq` in it
    seq_base:       what to add to the file's `_seq` column (bulk loads store ordinals); 0 = stored as they are
    schema_version: of the table when it was written
    checksum:       blake2b-128 hex of the whole file
    column_names:   physical names of the columns that the file has
    """

    file_id: int
    path: str
    rows: int
    bytes: int
    seq_min: int
    seq_max: int
    seq_base: int = 0
    schema_version: int
    checksum: str
    column_names: tuple[str, ...]
    column_stats: dict[str, tuple[str | None, str | None, int]] = {}  # physical name -> min, max, nulls
    column_bytes: dict[str, int] = {}  # physical name -> bytes in the file, compressed
    created_ms: int = 0
    storage: str = LOCAL

    @property
    def address(self) -> str:
        """Unlike that of every other file, in whatever storage."""
        return file_address(self.storage, self.path)


def file_address(storage: str, path: str) -> str:
    """Of `local`: the path alone."""
    return path if storage == LOCAL else f"{storage}://{path}"


@dataclass(frozen=True, eq=False)
class HotChunk:
    """Consecutive hot rows of a partition, in `_seq` order.

    batch: column 0 is `_seq` (int64, rising), then the user columns by physical name.
    dead:  bool[rows], True where the version is deleted; None while all live.
    first_stored: `_seq` of the key on disk that the first row is stored under; None = its own
    """

    batch: pa.RecordBatch
    dead: np.ndarray | None = None
    first_stored: int | None = None

    @property
    def stored_from(self) -> int:
        """No row of this chunk is stored under an earlier key, and from here on no row of an earlier chunk."""
        return int(self.seqs[0]) if self.first_stored is None else self.first_stored

    @cached_property
    def seqs(self) -> np.ndarray:
        """int64[rows], rising, read only."""
        return self.batch.column(SEQ).to_numpy(zero_copy_only=True)

    @cached_property
    def live(self) -> pa.RecordBatch:
        """The rows that are not deleted. Computed once per chunk."""
        if self.dead is None:
            return self.batch
        return kept_rows(self.batch, ~self.dead)

    @property
    def rows(self) -> int:
        return self.batch.num_rows

    @cached_property
    def bytes(self) -> int:
        return self.batch.nbytes


@dataclass(frozen=True, eq=False)
class PartitionState:
    """One partition at one moment. `hot` is ordered by `_seq`; `cold` by the least `_seq` of each file.

    purged_seq: the newest commit of which a deleted version was purged: no moment before it can be shown; 0 = none
    buffer:     of a stream
    """

    partition_id: int
    hot: tuple[HotChunk, ...] = ()
    cold: tuple[ColdFile, ...] = ()
    deletes: DeleteSet = field(default_factory=DeleteSet)
    purged_seq: int = 0
    buffer: Buffer = EMPTY_BUFFER

    @property
    def is_empty(self) -> bool:
        """No version of any row, live or deleted."""
        return not self.hot and not self.cold

    def is_same(self, other: PartitionState | None) -> bool:
        """Whether nothing happened between the two. Empty ones are made whenever one is asked for."""
        return other is self or (other is not None and self.is_empty and other.is_empty)

    @cached_property
    def hot_rows(self) -> int:
        """Row versions in `hot`, deleted ones too."""
        return sum(chunk.rows for chunk in self.hot)

    @cached_property
    def hot_bytes(self) -> int:
        return sum(chunk.bytes for chunk in self.hot)

    @property
    def oldest_hot_ms(self) -> int | None:
        """Commit time of the oldest hot row; None when there is none."""
        return ms_of(int(self.hot[0].seqs[0])) if self.hot else None

    @property
    def newest_seq(self) -> int:
        """Nothing that a reader can see of it has changed since; 0 when there is nothing."""
        hot = int(self.hot[-1].seqs[-1]) if self.hot else 0
        cold = max((file.seq_max for file in self.cold), default=0)
        return max(hot, cold, self.deletes.newest_commit, self.purged_seq)

    @cached_property
    def cold_row_bytes(self) -> float:
        """Bytes of a row on disk, on average in the file where they are most."""
        return max((file.bytes / max(file.rows, 1) for file in self.cold), default=0.0)

    @cached_property
    def rows(self) -> int:
        """Live rows, hot and cold."""
        return self.hot_rows + sum(file.rows for file in self.cold) - len(self.deletes)


def partitions_by_table(state: DatabaseState) -> dict[int, list[PartitionState]]:
    """The users' partitions that are in memory, by table id."""
    found: dict[int, list[PartitionState]] = {}
    for partition_id, partition in state.partitions.items():
        if is_owned(partition_id):
            found.setdefault(table_of_partition(partition_id), []).append(partition)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class DatabaseState:
    """The whole database at one moment; `last_seq` is the newest `_seq` given out.

    partitions: of user tables only those that are in memory
    hot_bytes:  of all `partitions`
    absent:     fetches what a user's partition was at this moment; see `user_partitions`
    attached:   what `absent` fetched for this state
    """

    catalog: Catalog = field(default_factory=Catalog)
    partitions: Mapping[int, PartitionState] = field(default_factory=lambda: MappingProxyType({}))
    last_seq: int = 0
    hot_bytes: int = 0
    absent: Callable[[DatabaseState, int], PartitionState] | None = None
    attached: dict[int, PartitionState] = field(default_factory=dict)

    def partition(self, partition_id: int) -> PartitionState:
        """The partition's state; an empty one when nothing was ever written to it.

        Raises Conflict (a user's partition that changed since this moment, and was not in memory then), Corruption.
        """
        found = self.partitions.get(partition_id)
        if found is None and is_owned(partition_id) and owner_of_partition(partition_id):
            found = self.attached.get(partition_id)
            if found is None and self.absent is not None:
                found = self.absent(self, partition_id)
        return found or PartitionState(partition_id)

    @property
    def stream_bytes(self) -> int:
        """Of all stream tables: no flush makes room for them."""
        tables = self.catalog.tables.values()
        return sum(self.partition(t.partition_id).hot_bytes for t in tables if t.kind is TableKind.STREAM)

    def with_partitions(self, partitions: Mapping[int, PartitionState]) -> DatabaseState:
        """With these and no others."""
        hot_bytes = sum(partition.hot_bytes for partition in partitions.values())
        return replace(self, partitions=MappingProxyType(dict(partitions)), hot_bytes=hot_bytes, attached={})

    def with_partition(self, partition: PartitionState) -> DatabaseState:
        """With another state of one of them."""
        before = self.partitions.get(partition.partition_id)
        hot_bytes = self.hot_bytes + partition.hot_bytes - (before.hot_bytes if before else 0)
        partitions = MappingProxyType({**self.partitions, partition.partition_id: partition})
        return replace(self, partitions=partitions, hot_bytes=hot_bytes, attached={})


def live_files(state: DatabaseState) -> dict[str, ColdFile]:
    """Address -> file of everything the manifest names."""
    return {file.address: file for partition in state.partitions.values() for file in partition.cold}
