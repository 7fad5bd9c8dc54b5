"""Edit is one atomic change to the database, as a value handed to the committer.

An `Edit` is committed whole or not at all, with one `_seq` range, in one RocksDB write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storage.catalog.audit_record import AuditRecord
from storage.catalog.catalog import Catalog
from storage.catalog.schema import TableDef
from storage.state.state import ColdFile, PartitionState


@dataclass(frozen=True, slots=True)
class RowChange:
    """What one edit does to one table's rows.

    table:        as the statement saw it; if the table changed since, the commit raises Conflict
    inserts:      new rows in order, columns = `table.physical_schema`, already checked
    staged:       files of a bulk load, already written, whose `_seq` column holds ordinals 0..n-1
    load_id:      names the bulk load in the primary-key index; 0 without `staged`
    staged_deletes: int64: ordinals of staged rows that the same transaction deleted again
    late_keys:    (encoded key, ordinal) of staged rows that replace a row of `deletes`: their index entries
                  must change with the edit, not before
    deletes:      int64: `_seq`s of live versions to delete; one that is dead by now raises Conflict
    new_keys:     encoded primary keys of `inserts`, in the same order; () for tables without key
    deleted_keys: encoded primary keys of `deletes`, in the same order; () for tables without key
    checked_on:   the partition on which all `new_keys` were found free or among `deleted_keys`; None = not looked
    """

    table: TableDef
    inserts: tuple[pa.RecordBatch, ...] = ()
    staged: tuple[ColdFile, ...] = ()
    load_id: int = 0
    staged_deletes: np.ndarray | None = None
    late_keys: tuple[tuple[bytes, int], ...] = ()
    deletes: np.ndarray | None = None
    new_keys: tuple[bytes, ...] = ()
    deleted_keys: tuple[bytes, ...] = ()
    checked_on: PartitionState | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it comes to nothing: what a transaction inserted it deleted again."""
        return not self.inserts and not self.staged and not self.rows_deleted

    @property
    def rows_inserted(self) -> int:
        return sum(b.num_rows for b in self.inserts) + sum(f.rows for f in self.staged)

    @property
    def rows_deleted(self) -> int:
        return 0 if self.deletes is None else len(self.deletes)


@dataclass(frozen=True, slots=True)
class FlushChange:
    """Hot rows with `_seq` <= `seq_max` are in `files` now; take them out of hot."""

    partition_id: int
    seq_max: int
    files: tuple[ColdFile, ...]


@dataclass(frozen=True, slots=True)
class CompactChange:
    """`replaced` files are rewritten as `files`; `purged` versions are gone for good."""

    partition_id: int
    replaced: tuple[int, ...]
    files: tuple[ColdFile, ...]
    purged: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class HotPurge:
    """Hot rows with `seq_min` <= `_seq` <= `seq_max` are rewritten without the `purged` versions.

    kept:    what is left of them, `_seq` in front, rising; None when nothing is
    version: the table's schema version that `kept` has
    purged:  int64: `_seq`s of deleted versions
    """

    partition_id: int
    seq_min: int
    seq_max: int
    kept: pa.RecordBatch | None
    version: int
    purged: np.ndarray


@dataclass(frozen=True, slots=True)
class EvictChange:
    """Events of a stream with `_seq` < `seq_below` have had their time."""

    partition_id: int
    seq_below: int


@dataclass(frozen=True, slots=True)
class ForgetRows:
    """Remove the hot rows, delete records and keys of what was dropped under `partition_id`."""

    partition_id: int


@dataclass(frozen=True, slots=True)
class ForgetFiles:
    """These files of dropped partitions are gone: (partition id, file id) of their places in the manifest."""

    entries: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ForgetChange:
    """Remove all that is left in the row store of what was dropped under `partition_id`, its records too.

    loads: bulk loads into it
    """

    partition_id: int
    loads: tuple[int, ...] = ()


Forgetting = ForgetRows | ForgetFiles | ForgetChange
Maintenance = FlushChange | CompactChange | HotPurge | EvictChange | Forgetting


@dataclass(frozen=True, slots=True)
class Edit:
    """One atomic change, with what the audit log says of it.

    `durable=False` returns before the disk has it (SET durability = 'relaxed').
    """

    catalog: Callable[[Catalog], Catalog] | None = None
    rows: tuple[RowChange, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    audit: tuple[AuditRecord, ...] = ()
    durable: bool = True

    @property
    def files(self) -> tuple[ColdFile, ...]:
        """Cold files that the edit makes live."""
        staged = tuple(file for change in self.rows for file in change.staged)
        moves = (m for m in self.maintenance if isinstance(m, FlushChange | CompactChange))
        return staged + tuple(file for move in moves for file in move.files)


@dataclass(frozen=True, slots=True)
class Committed:
    """seq_first..seq_last: the `_seq` range of the edit; `seq_first` is also the time of its deletes.

    discarded: events of ephemeral streams that nobody listened to; they are not among the `inserted`
    evicted:   events that left their stream
    """

    seq_first: int
    seq_last: int
    inserted: int
    deleted: int
    discarded: int = 0
    evicted: int = 0
