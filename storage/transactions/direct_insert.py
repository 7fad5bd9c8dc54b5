"""Direct insert commits new rows of one table as one edit, without a transaction: no snapshot, nothing to undo.

Keys are checked where those of every edit are, by the committer, against what is there by then. So a row that somebody
changes between the look at the index and the commit is refused, and never lost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from storage.catalog.schema import TableDef
from storage.errors import Conflict
from storage.primary_keys.index import UNDER_WAY, KeyIndex
from storage.state.edits import Committed, Edit, RowChange


class DirectInserts:
    """Safe from any thread."""

    def __init__(self, index: KeyIndex, commit: Callable[[Edit], Committed]) -> None:
        self._index = index
        self._commit = commit

    def insert(
        self, table: TableDef, rows: pa.RecordBatch, keys: tuple[bytes, ...], *, replaces: bool, durable: bool
    ) -> Committed:
        """Store `rows`, physical and checked, `keys` being their encoded primary keys; all or none.

        replaces: whether rows that have one of the keys give way
        Raises Conflict, ConstraintViolated (a key is taken or comes twice), StorageUnavailable, ClockRefused.
        """
        old = self._old(table, keys) if replaces else {}
        deletes = np.array(list(old.values()), np.int64) if old else None
        change = RowChange(table=table, inserts=(rows,), deletes=deletes, new_keys=keys, deleted_keys=tuple(old))
        return self._commit(Edit(rows=(change,), durable=durable))

    def _old(self, table: TableDef, keys: tuple[bytes, ...]) -> dict[bytes, int]:
        """Key -> `_seq` of the row that has it."""
        found = self._index.find(table.partition_id, keys)
        if UNDER_WAY in found:
            raise Conflict(f"a bulk load under way brings the same primary key to table '{table.name}'; try again")
        return {key: seq for key, seq in zip(keys, found, strict=True) if seq is not None}
