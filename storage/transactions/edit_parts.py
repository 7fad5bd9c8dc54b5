"""Edit parts: what a transaction changed in one table, for its commit: no provisional `_seq`s, live rows in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa

from storage.catalog.catalog import Catalog
from storage.catalog.schema import TableDef
from storage.primary_keys.load_keys import LoadKeys
from storage.state.edits import RowChange
from storage.state.state import PartitionState
from storage.transactions.pending_changes import PendingChanges, add_live, all_of
from storage.transactions.row_stage import Staged

CatalogChange = Callable[[Catalog], Catalog]
LoadKeysOf = Callable[[RowChange, int], LoadKeys]


def composed(changes: Sequence[CatalogChange]) -> CatalogChange | None:
    """One after the other, as one change; None for none."""
    if not changes:
        return None
    kept = tuple(changes)

    def apply(catalog: Catalog) -> Catalog:
        for change in kept:
            catalog = change(catalog)
        return catalog

    return apply


def row_change(pending: PendingChanges, table: TableDef, seen: PartitionState, load_keys_of: LoadKeysOf) -> RowChange:
    """seen: the partition on which the keys were checked; load_keys_of: of a bulk load's primary keys.

    Raises ConstraintViolated, Conflict, StorageUnavailable, for keys of bulk loads.
    """
    own_dead = all_of(pending.own_deletes)
    batches: list[pa.RecordBatch] = []
    keys: list[bytes] = []
    for own in pending.staged:
        add_live(own, table, own_dead, batches, keys)
    change = RowChange(
        table=table,
        inserts=tuple(batches),
        deletes=all_of(pending.deletes),  # in the order of their keys
        new_keys=tuple(keys),
        deleted_keys=tuple(pending.deleted_keys),
        checked_on=seen,
    )
    loads = [(own.base, own.staged) for own in pending.staged if own.staged.files]
    return _with_loads(change, loads, own_dead, load_keys_of) if loads else change


def _with_loads(
    change: RowChange, loads: list[tuple[int, Staged]], own_dead: np.ndarray, load_keys_of: LoadKeysOf
) -> RowChange:
    """Several loads into one table become one, ordinals running on."""
    load_id = loads[0][1].load_id
    files, dead, late = [], [], []
    ordinal = 0
    load_keys = load_keys_of(change, load_id)
    for base, staged in loads:
        for file in staged.files:
            moved = {"seq_base": ordinal, "seq_min": file.seq_min + ordinal, "seq_max": file.seq_max + ordinal}
            files.append(msgspec.structs.replace(file, **moved))
        inside = own_dead[(own_dead >= base) & (own_dead < base + staged.rows)] - base
        dead.append(inside + ordinal)
        if change.table.primary_key:
            late += load_keys.take(staged.files, ordinal, inside)
        ordinal += staged.rows
    load_keys.check_unique()
    return replace(
        change,
        staged=tuple(files),
        load_id=load_id,
        staged_deletes=np.concatenate(dead),
        late_keys=tuple(late),
    )
