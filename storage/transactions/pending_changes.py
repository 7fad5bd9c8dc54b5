"""PendingChanges is what a transaction has changed in one table so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
import pyarrow as pa

from storage.catalog.schema import TableDef, fill_arrays
from storage.state.batch_rows import kept_rows
from storage.state.row_versions import conform
from storage.transactions.row_stage import Staged


@dataclass(slots=True)
class PendingChanges:
    """Changes of one table so far."""

    table: TableDef
    keys: dict[bytes, int | None] = field(default_factory=dict)  # own: key -> provisional `_seq`, None = deleted
    deletes: list[np.ndarray] = field(default_factory=list)  # `_seq`s of the snapshot's versions
    deleted_keys: dict[bytes, None] = field(default_factory=dict)
    own_deletes: list[np.ndarray] = field(default_factory=list)  # provisional `_seq`s, inserted and deleted again
    staged: list[Own] = field(default_factory=list)
    unread: list[Own] = field(default_factory=list)  # of `staged`: in files, their keys not in `keys` yet
    deleted_since: dict[bytes, None] = field(default_factory=dict)  # keys, since there were such

    def copy(self) -> PendingChanges:
        """Independent of what comes later."""
        return PendingChanges(
            self.table,
            dict(self.keys),
            list(self.deletes),
            dict(self.deleted_keys),
            list(self.own_deletes),
            list(self.staged),
            list(self.unread),
            dict(self.deleted_since),
        )


@dataclass(frozen=True, slots=True)
class Own:
    """Rows of one statement. `keys`: encoded primary keys of `staged.batches`."""

    base: int  # provisional `_seq` of the first row
    staged: Staged
    keys: Sequence[bytes]


def all_of(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *arrays]).astype(np.int64)


def add_live(own: Own, table: TableDef, own_dead: np.ndarray, batches: list[pa.RecordBatch], keys: list[bytes]) -> None:
    """Put the rows of one statement that are still there, under the table's newest schema, and their keys."""
    first = own.base
    for batch in own.staged.batches:
        row = first - own.base
        batch_keys = own.keys[row : row + batch.num_rows]
        if len(own_dead):
            keep = ~np.isin(np.arange(first, first + batch.num_rows, dtype=np.int64), own_dead)
            batch_keys = list(compress(batch_keys, keep.tolist()))
            first, batch = first + batch.num_rows, kept_rows(batch, keep)
        else:
            first += batch.num_rows
        if batch.num_rows:
            batches.append(conform(batch, table.physical_schema, fill_arrays(table)))
            keys += batch_keys
