"""A shipment is all that a statement needs in another process: its text, the rows it reads, what tables look like.

It is made of what planning touched, and nothing else goes along: no user, no right, no other table. The header is JSON,
the rows are Arrow IPC; credentials of object stores are in it, so it goes over a socket and never to a disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from flight_server.query.scan.dependencies import Dependencies
from flight_server.query.scan.scope import QueryScope
from flight_server.query.scan.table_scan import RowView
from flight_server.query.sessions.settings import QuerySettings
from flight_server.sandbox.frames import read, written
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.catalog.schema import NamespaceDef, TableDef, ViewDef, decode_record, encode_record
from storage.cold.file_store import FileStores, ObjectStore
from storage.state.delete_set import DeleteChunk, DeleteSet
from storage.state.state import ColdFile, DatabaseState, HotChunk, PartitionState

Params = Mapping[str, pa.Scalar]


class ShippedChunk(msgspec.Struct, frozen=True):
    """Numbers of blobs. dead: None = all live."""

    rows: int
    dead: int | None
    first_stored: int | None


class ShippedPartition(msgspec.Struct, frozen=True):
    """deletes: number of the blob with `_seq`s and commits."""

    partition_id: int
    hot: tuple[ShippedChunk, ...]
    cold: tuple[ColdFile, ...]
    deletes: int
    purged_seq: int


class ShippedRows(msgspec.Struct, frozen=True):
    """Rows that are no table's. name: bare, or a system table's"""

    name: TableName
    rows: int


class ShippedStore(msgspec.Struct, frozen=True):
    """An object store's fields, in their order."""

    alias: str
    bucket: str
    region: str
    endpoint: str
    access_key_id: str
    secret_access_key: str
    session_token: str


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. urls: address of a cold file -> where it lies"""

    sql: str
    reason: str
    namespace: str
    namespaces: tuple[str, ...]
    time_zone: str
    now_ms: int
    wall_ms: int | None
    temporary: bool
    words: dict[str, str]
    rows: RowView
    tables: tuple[TableDef, ...]
    views: tuple[ViewDef, ...]
    partitions: tuple[ShippedPartition, ...]
    extra: tuple[ShippedRows, ...]
    virtual: tuple[ShippedRows, ...]
    only: tuple[ShippedRows, ...]
    params: int | None
    casts: int | None
    urls: dict[str, str]
    stores: dict[str, ShippedStore]
    bases: tuple[str, ...]
    settings: QuerySettings
    mended: tuple[str, ...]
    spill_directory: str
    bytes_max: int


class Packed(msgspec.Struct, frozen=True):
    """header: a Shipment; blobs: what it numbers."""

    header: bytes
    blobs: list[Any]


class Packer:
    """Collects blobs for one shipment."""

    def __init__(self) -> None:
        self.blobs: list[Any] = []

    def blob(self, data: Any) -> int:
        self.blobs.append(data)
        return len(self.blobs) - 1

    def batch(self, batch: pa.RecordBatch) -> int:
        return self.blob(written([batch], batch.schema))

    def named(self, name: TableName, rows: Any) -> ShippedRows:
        """rows: a table, or batches of one schema, at least one"""
        batches = rows.to_batches() if isinstance(rows, pa.Table) else list(rows)
        schema = rows.schema if isinstance(rows, pa.Table) else batches[0].schema
        return ShippedRows(name, self.blob(written(batches, schema)))

    def partition(self, partition: PartitionState) -> ShippedPartition:
        deletes = partition.deletes.all
        pair = np.concatenate([deletes.seqs, deletes.commits]).astype(np.int64)
        return ShippedPartition(
            partition_id=partition.partition_id,
            hot=tuple(self._chunk(chunk) for chunk in partition.hot),
            cold=partition.cold,
            deletes=self.blob(pair.tobytes()),
            purged_seq=partition.purged_seq,
        )

    def _chunk(self, chunk: HotChunk) -> ShippedChunk:
        dead = None if chunk.dead is None else self.blob(chunk.dead.astype(np.bool_).tobytes())
        return ShippedChunk(self.batch(chunk.batch), dead, chunk.first_stored)

    def params(self, params: Params | None) -> int | None:
        if not params:
            return None
        return self.batch(pa.record_batch([pa.repeat(value, 1) for value in params.values()], names=list(params)))

    def casts(self, casts: Mapping[str, pa.DataType]) -> int | None:
        if not casts:
            return None
        return self.blob(pa.schema(list(casts.items())).serialize())


def packed(
    sql: str,
    scope: QueryScope,
    params: Params | None,
    rows: RowView,
    casts: Mapping[str, pa.DataType],
    touched: Dependencies,
    file_stores: FileStores,
    **facts: Any,
) -> Packed:
    """facts: the fields of `Shipment` that are not of the statement. Raises Corruption, StorageUnavailable."""
    packer = Packer()
    tables = {table.name: table for table, _ in (*touched.stored, *touched.only)}
    partitions = {partition.partition_id: partition for _, partition in touched.stored}
    files = [file for partition in partitions.values() for file in partition.cold]
    stores = {file.storage: store for file in files if (store := file_stores.of(file).object_store()) is not None}
    shipment = Shipment(
        sql=sql,
        namespace=scope.namespace,
        namespaces=tuple(scope.state.catalog.namespaces),
        time_zone=scope.time_zone,
        now_ms=scope.now_ms,
        wall_ms=scope.wall_ms,
        temporary=scope.temporary,
        words=dict(scope.words()),
        rows=rows,
        tables=tuple(tables.values()),
        views=tuple({view.name: view for view in touched.views}.values()),
        partitions=tuple(packer.partition(partition) for partition in partitions.values()),
        extra=tuple(packer.named(TableName("", name), found) for name, found in scope.extra.items()),
        virtual=tuple(packer.named(name, found) for name, found in touched.virtual.items()),
        only=tuple(packer.named(table.name, [found]) for table, found in touched.only),
        params=packer.params(params),
        casts=packer.casts(casts),
        urls={file.address: file_stores.of(file).url(file.path) for file in files},
        stores={name: _shipped_store(store) for name, store in stores.items()},
        bases=tuple(file_stores.bases()),
        **facts,
    )
    return Packed(encode_record(shipment), packer.blobs)


def _shipped_store(store: ObjectStore) -> ShippedStore:
    return ShippedStore(
        store.alias,
        store.bucket,
        store.region,
        store.endpoint,
        store.access_key_id,
        store.secret_access_key,
        store.session_token,
    )


class Unpacked:
    """A shipment that has arrived, as values that a query engine takes."""

    def __init__(self, header: bytes, blobs: list[memoryview]) -> None:
        self.shipment = decode_record(header, Shipment)
        self._blobs = blobs

    @property
    def params(self) -> dict[str, pa.Scalar] | None:
        if self.shipment.params is None:
            return None
        row = read(self._blobs[self.shipment.params])
        return {name: row.column(at)[0] for at, name in enumerate(row.column_names)}

    @property
    def casts(self) -> dict[str, pa.DataType]:
        if self.shipment.casts is None:
            return {}
        schema = pa.ipc.read_schema(pa.py_buffer(self._blobs[self.shipment.casts]))
        return {field.name: field.type for field in schema}

    @property
    def scope(self) -> QueryScope:
        shipment = self.shipment
        virtual = {found.name: self._named(found) for found in shipment.virtual}
        only = {found.name: self._named(found).combine_chunks().to_batches() for found in shipment.only}
        return QueryScope(
            state=self._state(),
            namespace=shipment.namespace,
            virtual={name: partial(_same, rows) for name, rows in virtual.items()},
            extra={found.name.table: self._named(found) for found in shipment.extra},
            only=lambda name: only[name][0] if name in only else None,
            now_ms=shipment.now_ms,
            wall_ms=shipment.wall_ms,
            time_zone=shipment.time_zone,
            temporary=shipment.temporary,
            words=lambda: shipment.words,
        )

    def _named(self, rows: ShippedRows) -> pa.Table:
        return read(self._blobs[rows.rows])

    def _state(self) -> DatabaseState:
        shipment = self.shipment
        catalog = Catalog(
            namespaces={name: NamespaceDef(name=name) for name in shipment.namespaces},
            tables={table.name: table for table in shipment.tables},
            views={view.name: view for view in shipment.views},
        )
        state = DatabaseState(catalog=catalog)
        return state.with_partitions({found.partition_id: self._partition(found) for found in shipment.partitions})

    def _partition(self, found: ShippedPartition) -> PartitionState:
        pair = np.frombuffer(self._blobs[found.deletes], dtype=np.int64)
        half = len(pair) // 2
        deletes = DeleteSet((DeleteChunk(pair[:half], pair[half:]),) if half else ())
        return PartitionState(
            found.partition_id, tuple(map(self._chunk, found.hot)), found.cold, deletes, found.purged_seq
        )

    def _chunk(self, found: ShippedChunk) -> HotChunk:
        table = read(self._blobs[found.rows])
        batch = table.combine_chunks().to_batches()[0]
        dead = None if found.dead is None else np.frombuffer(self._blobs[found.dead], dtype=np.bool_)
        return HotChunk(batch, dead, found.first_stored)


def _same(rows: pa.Table) -> pa.Table:
    return rows
