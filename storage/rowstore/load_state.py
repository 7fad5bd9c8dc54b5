"""`recover` loads the newest state from the row store.

  1. read the `meta` family: the catalog, every schema version, committed loads, dropped partitions
  2. for each table's partition: its manifest, its delete records, its hot batches under the newest schema; of a
     stream not what had left it: an event may lie in one stored batch with such that stayed
  3. the newest `_seq` is the largest that any of these shows
Nothing is written; what a crash left half done is either invisible (files without manifest entry, keys of loads
that never committed) or named by a `dropped` record, and the sweep removes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from storage.catalog.schema import SEQ, TableDef, TableKind, fill_arrays
from storage.errors import Corruption
from storage.rowstore.catalog_records import MetaRecords, read_meta
from storage.rowstore.delete_records import read_deletes
from storage.rowstore.keys import DELETES, HOT, MANIFEST, META, partition_range, split_pair_key
from storage.rowstore.manifest_records import decode_cold_file
from storage.rowstore.row_codec import decode_rows, schema_version_of
from storage.rowstore.row_store import RowStore
from storage.state.nested_nulls import cleared_batch
from storage.state.row_versions import conform, with_seq
from storage.state.state import DatabaseState, PartitionState
from storage.state.stream_retention import as_buffered
from storage.state.transitions import restored

VersionOf = Callable[[int, int], TableDef | None]
"""(table id, schema version) -> the table as it was then."""


@dataclass(frozen=True, slots=True)
class LoadedState:
    meta: MetaRecords
    state: DatabaseState


def recover(store: RowStore) -> LoadedState:
    """Raises Corruption: the server must not start on it."""
    meta = read_meta(store.scan(META))
    partitions: dict[int, PartitionState] = {}
    last_seq = meta.last_seq
    for table in meta.catalog.tables.values():
        if table.kind is TableKind.USER:
            continue  # fetched one by one, see `user_partitions`; the newest `_seq` in them is in `meta`
        partition, newest = load_partition(store, table, lambda id_, version: meta.versions.get((id_, version)))
        if table.kind is TableKind.STREAM:
            partition = as_buffered(partition, meta.evicted.get(table.partition_id, 0))
        last_seq = max(last_seq, newest, table.changed_seq)
        if partition.hot or partition.cold or len(partition.deletes) or partition.purged_seq:
            partitions[partition.partition_id] = partition
    state = DatabaseState(meta.catalog, last_seq=last_seq).with_partitions(partitions)
    return LoadedState(meta, state)


def load_partition(store: RowStore, table: TableDef, version_of: VersionOf) -> tuple[PartitionState, int]:
    """(the partition, the largest `_seq` it shows). Raises Corruption."""
    start, end = partition_range(table.partition_id)
    cold = tuple(decode_cold_file(key, value)[1] for key, value in store.scan(MANIFEST, start, end))
    deletes, purged_seq = read_deletes(store.scan(DELETES, start, end), str(table.name))
    newest = max((purged_seq, deletes.newest_commit, *(file.seq_max for file in cold)))
    batches = _hot_batches(store, table, version_of)
    if batches:
        newest = max(newest, batches[-1].column(0)[-1].as_py())
    return restored(table.partition_id, batches, cold, deletes, purged_seq), newest


def _hot_batches(store: RowStore, table: TableDef, version_of: VersionOf) -> list[pa.RecordBatch]:
    start, end = partition_range(table.partition_id)
    schema, fills = table.physical_schema, fill_arrays(table)
    batches = []
    for key, value in store.scan(HOT, start, end):
        stored = decode_rows(value, _schema_at(table, schema_version_of(value), version_of))
        batch = conform(cleared_batch(stored), schema, fills)  # older servers kept what lies beneath NULLs
        batches.append(batch if SEQ in batch.schema.names else with_seq(batch, split_pair_key(key)[1]))
    return batches


def _schema_at(table: TableDef, version: int, version_of: VersionOf) -> pa.Schema:
    if version == table.version:
        return table.physical_schema
    at = version_of(table.table_id, version)
    if at is None:
        raise Corruption(f"table '{table.name}' has rows of schema version {version}, which is not recorded")
    return at.physical_schema
