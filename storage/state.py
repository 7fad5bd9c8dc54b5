"""The memory image: immutable states that readers hold without locks.

A `DatabaseState` is replaced at each commit; whoever holds one sees that moment for as long as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import msgspec
import numpy as np
import pyarrow as pa

from storage.catalog import Catalog
from storage.deletes import DeleteSet
from storage.row_filter import kept_rows
from storage.schema import SEQ
from storage.storages import LOCAL


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
    """

    batch: pa.RecordBatch
    dead: np.ndarray | None = None

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
    """One partition at one moment. `hot` is ordered by `_seq`; `cold` by file id.

    purged_seq: the newest commit of which a deleted version was purged: no moment before it can be shown; 0 = none
    """

    partition_id: int
    hot: tuple[HotChunk, ...] = ()
    cold: tuple[ColdFile, ...] = ()
    deletes: DeleteSet = field(default_factory=DeleteSet)
    purged_seq: int = 0

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
        return int(self.hot[0].seqs[0]) >> SEQ_TIME_SHIFT if self.hot else None

    @cached_property
    def rows(self) -> int:
        """Live rows, hot and cold."""
        return self.hot_rows + sum(file.rows for file in self.cold) - len(self.deletes)


SEQ_TIME_SHIFT = 20  # `_seq` >> this = commit time in ms since 1970; never change: it is on disk


@dataclass(frozen=True, slots=True, eq=False)
class DatabaseState:
    """The whole database at one moment; `last_seq` is the newest `_seq` given out."""

    catalog: Catalog = field(default_factory=Catalog)
    partitions: Mapping[int, PartitionState] = field(default_factory=lambda: MappingProxyType({}))
    last_seq: int = 0

    def partition(self, partition_id: int) -> PartitionState:
        """The partition's state; an empty one when nothing was ever written to it."""
        return self.partitions.get(partition_id) or PartitionState(partition_id)

    @property
    def hot_bytes(self) -> int:
        return sum(partition.hot_bytes for partition in self.partitions.values())
