"""Reopens RocksDB after the disk was full and accepts writes again, without a restart.

A write that failed for want of room leaves two questions: is it on disk, and what of it is in RocksDB's memory. Both
are answered as after a crash: the row store is opened anew and the state is read from it. That state must be what was
acknowledged, or that and the group whose write failed; anything else is not explained by a full disk, and then writes
stay refused until a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from storage.catalog.partition_ids import is_owned, table_of_partition
from storage.catalog.schema import TableDef
from storage.errors import Corruption
from storage.primary_keys.index import KeyIndex
from storage.rowstore.load_state import recover
from storage.rowstore.row_store import RowStore
from storage.state.state import DatabaseState, PartitionState


def reopen_after_full_disk(
    store: RowStore,
    index: KeyIndex,
    acknowledged: DatabaseState,
    unknown: DatabaseState | None,
    load: Callable[[int, TableDef], PartitionState],
) -> DatabaseState:
    """The state that the disk holds. Once it is published, the store may take writes again (`RowStore.accept_writes`).

    unknown: what would be the state if the write that failed were on disk after all
    load:    reads a user's partition. Those that any of the two has are in memory afterwards; those that came after the
             write that failed are not compared, since what they showed was not certain either
    Raises StorageUnavailable (still no room: call again later), Corruption.
    """
    store.reopen()
    found = recover(store)
    expected = [state for state in (acknowledged, unknown) if state is not None]
    owned = [frozenset(filter(is_owned, state.partitions)) for state in expected]
    state = _with_owned(found.state, frozenset.union(*owned), load)
    unsure = frozenset.union(*owned) - frozenset.intersection(*owned)
    if _shape(state, unsure) not in [_shape(each, unsure) for each in expected]:
        raise Corruption("after the disk was full the row store does not hold what was acknowledged")
    for load_id, first_seq in found.meta.loads.items():
        index.commit_load(load_id, first_seq)
    # Readers hold the `_seq`s that they have seen: these never fall.
    return replace(state, last_seq=max(state.last_seq, acknowledged.last_seq), absent=acknowledged.absent)


def _with_owned(
    state: DatabaseState, partition_ids: frozenset[int], load: Callable[[int, TableDef], PartitionState]
) -> DatabaseState:
    partitions = dict(state.partitions)
    for partition_id in partition_ids:
        table = state.catalog.tables_by_id.get(table_of_partition(partition_id))
        if table is not None:
            partitions[partition_id] = load(partition_id, table)
    return state.with_partitions(partitions)


def _shape(state: DatabaseState, unsure: frozenset[int]) -> Any:
    """What differs if any edit is missing or too many; `unsure`: partitions that are left out."""
    catalog = state.catalog
    known = [p for p in state.partitions.values() if p.partition_id not in unsure]
    partitions = {p.partition_id: _partition_shape(p) for p in known if p.hot or p.cold}
    return partitions, dict(catalog.tables), dict(catalog.views), dict(catalog.namespaces), dict(catalog.users)


def _partition_shape(partition: PartitionState) -> Any:
    newest = int(partition.hot[-1].seqs[-1]) if partition.hot else 0
    return partition.hot_rows, newest, tuple(sorted(f.file_id for f in partition.cold)), len(partition.deletes)
