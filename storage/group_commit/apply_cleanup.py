"""Applies removals of dropped tables to the row store and the state; see `cleanup` for the order of the steps."""

from __future__ import annotations

from storage.catalog.catalog import Catalog
from storage.catalog.partition_ids import owner_of_partition, table_of_partition
from storage.rowstore.catalog_records import forgotten_operations
from storage.rowstore.keys import DELETES, HOT, MANIFEST, PK, dropped_range, pair_key, pk_prefix
from storage.rowstore.row_store import Operation, Remove, RemoveRange
from storage.state.edits import ForgetChange, ForgetFiles, ForgetRows, Forgetting
from storage.state.state import DatabaseState


def forget_operations(change: Forgetting, catalog: Catalog) -> list[Operation]:
    match change:
        case ForgetFiles(entries):
            return [Remove(MANIFEST, pair_key(partition_id, file_id)) for partition_id, file_id in entries]
        case ForgetRows(partition_id):
            return _ranges(partition_id, catalog, (HOT, DELETES, PK))
        case ForgetChange(partition_id, loads):
            ranges = _ranges(partition_id, catalog, (HOT, DELETES, PK, MANIFEST))
            return ranges + forgotten_operations(partition_id, loads)


def without_forgotten(state: DatabaseState, change: Forgetting) -> DatabaseState:
    """Without the partitions whose rows are forgotten; those of a dropped table left with its definition."""
    if isinstance(change, ForgetFiles):
        return state
    start, end = dropped_range(change.partition_id)
    kept = {id_: partition for id_, partition in state.partitions.items() if not start <= pk_prefix(id_) < end}
    return state if len(kept) == len(state.partitions) else state.with_partitions(kept)


def _ranges(partition_id: int, catalog: Catalog, families: tuple[str, ...]) -> list[Operation]:
    start, end = dropped_range(partition_id)
    if owner_of_partition(partition_id) == 0:
        there = catalog.tables_by_id
        assert table_of_partition(partition_id) not in there, "a table that is there must keep its rows"
    return [RemoveRange(family, start, end) for family in families]
