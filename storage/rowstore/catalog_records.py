"""Catalog records: the `meta` family, as operations out and as values back.

Writing is a comparison: whatever differs between the old and the new catalog is put or removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import msgspec
import pyarrow as pa

from storage.catalog.catalog import Catalog
from storage.catalog.names import DEFAULT_NAMESPACE
from storage.catalog.partition_ids import owner_of_partition, table_of_partition
from storage.catalog.schema import NamespaceDef, TableDef, ViewDef, decode_record, encode_record
from storage.catalog.storages import LOCAL, LOCAL_STORAGE, StorageDef
from storage.catalog.users import Grant, UserRecord
from storage.errors import Corruption
from storage.rowstore.keys import META, MetaKind, meta_key, pk_prefix, split_meta_key, table_version_name
from storage.rowstore.row_store import Operation, Put, Remove, RemoveRange, RowStore

FORMAT_VERSION: Final = 1
LOAD_KEYS: Final = (MetaKind.LOAD.value, MetaKind.LOAD.value + b"\xff")  # [start, end)
DROPPED_KEYS: Final = (MetaKind.DROPPED.value, MetaKind.DROPPED.value + b"\xff")  # [start, end)


class DroppedPartition(msgspec.Struct, frozen=True):
    """A partition, or all of a user table, that is gone; what is left of it is removed by `cleanup`.

    table: what it was called, for people
    """

    partition_id: int
    dropped_ms: int
    table: str = ""


@dataclass(frozen=True)
class MetaRecords:
    """All of the `meta` family."""

    catalog: Catalog
    versions: Mapping[tuple[int, int], TableDef]  # (table id, schema version)
    loads: dict[int, int] = field(default_factory=dict)  # load id -> first `_seq`
    cut_off: dict[int, int] = field(default_factory=dict)  # load id -> partition
    dropped: dict[int, DroppedPartition] = field(default_factory=dict)
    evicted: dict[int, int] = field(default_factory=dict)  # partition id -> `_seq` before which nothing is left
    next_id: int = 1
    last_seq: int = 0
    is_new: bool = True


def catalog_operations(old: Catalog, new: Catalog, now_ms: int) -> list[Operation]:
    """What makes the stored catalog `new`, given that it is `old`."""
    operations: list[Operation] = []
    for kind, before, after in (
        (MetaKind.NAMESPACE, old.namespaces, new.namespaces),
        (MetaKind.TABLE, old.tables, new.tables),
        (MetaKind.VIEW, old.views, new.views),
        (MetaKind.USER, old.users, new.users),
        (MetaKind.GRANT, old.grants, new.grants),
        (MetaKind.STORAGE, old.storages, new.storages),
    ):
        operations += _map_operations(kind, before, after)
    kept = new.tables_by_id
    for table in old.tables.values():
        if table.table_id not in kept:
            operations.append(dropped_operation(DroppedPartition(table.partition_id, now_ms, str(table.name))))
    for table in _changed(old.tables, new.tables):
        name = table_version_name(table.table_id, table.version)
        operations.append(Put(META, meta_key(MetaKind.TABLE_VERSION, name), encode_record(table)))
    return operations


def dropped_operation(record: DroppedPartition) -> Operation:
    key = meta_key(MetaKind.DROPPED, f"{record.partition_id:020d}")
    return Put(META, key, encode_record(record))


def load_operation(load_id: int, first_seq: int, partition_id: int) -> Operation:
    return Put(META, meta_key(MetaKind.LOAD, f"{load_id:020d}"), f"{first_seq} {partition_id}".encode())


def loads_into(pairs: Iterable[tuple[bytes, bytes]], start: bytes, end: bytes) -> tuple[int, ...]:
    """Of records under `LOAD_KEYS`: the loads into partitions in [start, end). Old records don't tell theirs."""
    told = ((key, value.split()) for key, value in pairs)
    return tuple(
        int(split_meta_key(key)[1]) for key, words in told if len(words) > 1 and start <= pk_prefix(int(words[1])) < end
    )


def forgotten_operations(partition_id: int, loads: tuple[int, ...]) -> list[Operation]:
    """Nothing is left of it: its `dropped` record goes, those of its `loads` and, unless it was one owner's part, the
    table's versions."""
    dropped = Remove(META, meta_key(MetaKind.DROPPED, f"{partition_id:020d}"))
    operations: list[Operation] = [dropped, not_evicted_operation(partition_id)]
    operations += [Remove(META, meta_key(MetaKind.LOAD, f"{load_id:020d}")) for load_id in loads]
    if owner_of_partition(partition_id) == 0:
        first = table_version_name(table_of_partition(partition_id), 0)
        last = table_version_name(table_of_partition(partition_id) + 1, 0)
        start, end = meta_key(MetaKind.TABLE_VERSION, first), meta_key(MetaKind.TABLE_VERSION, last)
        operations.append(RemoveRange(META, start, end))
    return operations


def read_dropped(pairs: Iterable[tuple[bytes, bytes]]) -> list[DroppedPartition]:
    """Of records under `DROPPED_KEYS`, oldest table first. Raises Corruption."""
    try:
        return [decode_record(value, DroppedPartition) for _, value in pairs]
    except (msgspec.DecodeError, ValueError) as error:
        raise Corruption(f"a catalog record can't be read: {error}") from None


def evicted_operation(partition_id: int, seq_below: int) -> Operation:
    return Put(META, meta_key(MetaKind.EVICTED, f"{partition_id:020d}"), str(seq_below).encode())


def not_evicted_operation(partition_id: int) -> Operation:
    return Remove(META, meta_key(MetaKind.EVICTED, f"{partition_id:020d}"))


def last_seq_operation(last_seq: int) -> Operation:
    return Put(META, meta_key(MetaKind.LAST_SEQ, ""), str(last_seq).encode())


def next_id_operation(next_id: int) -> Operation:
    return Put(META, meta_key(MetaKind.NEXT_ID, ""), str(next_id).encode())


def format_operation() -> Operation:
    return Put(META, meta_key(MetaKind.FORMAT, ""), str(FORMAT_VERSION).encode())


def stored_version(store: RowStore, table_id: int, version: int) -> TableDef | None:
    """A table as it was at a schema version; None when that is not recorded."""
    found = store.get(META, meta_key(MetaKind.TABLE_VERSION, table_version_name(table_id, version)))
    return None if found is None else decode_record(found, TableDef)


def read_meta(pairs: Iterable[tuple[bytes, bytes]]) -> MetaRecords:
    """Raises Corruption when a record can't be read or the format is another one's."""
    found: dict[MetaKind, dict[str, bytes]] = {kind: {} for kind in MetaKind}
    stored = dict(pairs)
    _check_format(stored)
    try:
        for key, value in stored.items():
            kind, name = split_meta_key(key)
            found[kind][name] = value
        return _records(found)
    except (msgspec.DecodeError, ValueError, pa.ArrowException, OSError) as error:
        raise Corruption(f"a catalog record can't be read: {error}") from None


def _check_format(stored: Mapping[bytes, bytes]) -> None:
    """Before anything else: what the records mean depends on it."""
    written = stored.get(meta_key(MetaKind.FORMAT, ""), b"none").decode(errors="replace")
    if stored and written != str(FORMAT_VERSION):
        raise Corruption(f"the data directory has format '{written[:20]}', this server reads '{FORMAT_VERSION}'")


def _records(found: dict[MetaKind, dict[str, bytes]]) -> MetaRecords:
    tables = [decode_record(v, TableDef) for v in found[MetaKind.TABLE].values()]
    views = [decode_record(v, ViewDef) for v in found[MetaKind.VIEW].values()]
    namespaces = {n: decode_record(v, NamespaceDef) for n, v in found[MetaKind.NAMESPACE].items()}
    namespaces.setdefault(DEFAULT_NAMESPACE, NamespaceDef(name=DEFAULT_NAMESPACE))
    versions = [decode_record(v, TableDef) for v in found[MetaKind.TABLE_VERSION].values()]
    dropped = [decode_record(v, DroppedPartition) for v in found[MetaKind.DROPPED].values()]
    storages = [decode_record(v, StorageDef) for v in found[MetaKind.STORAGE].values()]
    grants = [decode_record(v, Grant) for v in found[MetaKind.GRANT].values()]
    return MetaRecords(
        catalog=Catalog(
            MappingProxyType(namespaces),
            MappingProxyType({t.name: t for t in tables}),
            MappingProxyType({v.name: v for v in views}),
            MappingProxyType({n: decode_record(v, UserRecord) for n, v in found[MetaKind.USER].items()}),
            MappingProxyType({g.name: g for g in grants}),
            MappingProxyType({LOCAL: LOCAL_STORAGE} | {s.name: s for s in storages}),
        ),
        versions={(t.table_id, t.version): t for t in versions},
        loads={int(n): int(v.split()[0]) for n, v in found[MetaKind.LOAD].items()},
        cut_off={int(n): int(v) for n, v in found[MetaKind.LOADING].items()},
        dropped={d.partition_id: d for d in dropped},
        evicted={int(n): int(v) for n, v in found[MetaKind.EVICTED].items()},
        last_seq=int(found[MetaKind.LAST_SEQ].get("", b"0")),
        next_id=int(found[MetaKind.NEXT_ID].get("", b"1")),
        is_new=not found[MetaKind.FORMAT],
    )


def _map_operations(kind: MetaKind, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[Operation]:
    for name in old.keys() - new.keys():
        yield Remove(META, meta_key(kind, str(name)))
    for record in _changed(old, new):
        yield Put(META, meta_key(kind, str(record.name)), encode_record(record))


def _changed(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[Any]:
    for name, record in new.items():
        if old.get(name) is not record:
            yield record
