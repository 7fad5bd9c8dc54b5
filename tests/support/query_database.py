"""Database states built by hand: tables, Parquet files, hot batches and deletes, without the storage engine."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flight_server.query import QueryEngine, QueryScope
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.catalog.schema import Column, TableDef, TableKind, ViewDef
from storage.catalog.table_options import TableOptions
from storage.cold.parquet_types import to_file_batch
from storage.durable_files import checksum_of
from storage.seq import SEQ_TIME_SHIFT
from storage.state.delete_set import DeleteSet, delete_chunk
from storage.state.state import ColdFile, DatabaseState, HotChunk, PartitionState

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000
_numbers = itertools.count(1)


def seq_at(ms: int, counter: int = 0) -> int:
    """The `_seq` of a commit at `ms`."""
    return (ms << SEQ_TIME_SHIFT) + counter


def column(name: str, data_type: pa.DataType, **more: Any) -> Column:
    return Column(**{"name": name, "physical_name": name, "type": data_type, "sql_type": str(data_type), **more})


class Database:
    """Grows a state; `rows(sql)` asks it."""

    def __init__(self, queries: QueryEngine, cold: Path) -> None:
        self.queries = queries
        self.cold = cold
        self._tables: dict[TableName, TableDef] = {}
        self._views: dict[TableName, ViewDef] = {}
        self._partitions: dict[int, PartitionState] = {}

    def table(self, name: str, *columns: Column, **more: Any) -> TableDef:
        table = TableDef(
            table_id=next(_numbers),
            name=TableName("public", name),
            kind=more.pop("kind", TableKind.SHARED),
            columns=columns,
            options=more.pop("options", TableOptions()),
            **more,
        )
        self._partitions[table.partition_id] = PartitionState(table.partition_id)
        return self.altered(table)

    def altered(self, table: TableDef, **changes: Any) -> TableDef:
        """The table with changes and a version one higher, in the catalog from now on."""
        new = msgspec.structs.replace(table, version=table.version + bool(changes), **changes)
        self._tables[new.name] = new
        return new

    def view(self, name: str, sql: str, namespace: str = "public") -> None:
        full = TableName("public", name)
        self._views[full] = ViewDef(name=full, sql=sql, default_namespace=namespace)

    def file(self, table: TableDef, seqs: Iterable[int], seq_base: int = 0, **values: list[Any]) -> ColdFile:
        """Add a Parquet file; `seqs` are what readers shall see."""
        number = next(_numbers)
        wanted = np.array(list(seqs), dtype=np.int64)
        batch = _batch(table, wanted - seq_base, values)
        path = self.cold / f"{number}.parquet"
        pq.write_table(pa.Table.from_batches([to_file_batch(batch)]), path, row_group_size=1000)
        made = ColdFile(
            file_id=number,
            path=path.name,
            rows=len(wanted),
            bytes=path.stat().st_size,
            seq_min=int(wanted.min()),
            seq_max=int(wanted.max()),
            seq_base=seq_base,
            schema_version=table.version,
            checksum=checksum_of(path),
            column_names=tuple(values),
        )
        self._change(table, lambda p: PartitionState(p.partition_id, p.hot, (*p.cold, made), p.deletes))
        return made

    def hot(self, table: TableDef, seqs: Iterable[int], **values: list[Any]) -> None:
        """Add a hot chunk."""
        batch = _batch(table, np.array(list(seqs), dtype=np.int64), values)
        self._change(table, lambda p: PartitionState(p.partition_id, (*p.hot, HotChunk(batch)), p.cold, p.deletes))

    def forget_hot(self, table: TableDef) -> None:
        """Drop the hot rows: the storage engine rewrites them at each ALTER, this database does not."""
        self._change(table, lambda p: PartitionState(p.partition_id, (), p.cold, p.deletes))

    def delete(self, table: TableDef, seqs: Iterable[int], commit_seq: int) -> None:
        """Delete row versions, hot or cold."""
        dead = np.array(list(seqs), dtype=np.int64)

        def change(p: PartitionState) -> PartitionState:
            deletes = p.deletes.with_chunk(delete_chunk(dead, commit_seq))
            return PartitionState(p.partition_id, tuple(_masked(chunk, deletes) for chunk in p.hot), p.cold, deletes)

        self._change(table, change)

    def scope(self, **more: Any) -> QueryScope:
        catalog = Catalog(tables=MappingProxyType(dict(self._tables)), views=MappingProxyType(dict(self._views)))
        state = DatabaseState(catalog, MappingProxyType(dict(self._partitions)), seq_at(NOW_MS, 1 << 19))
        return QueryScope(**{"state": state, "now_ms": NOW_MS, **more})

    def ask(self, sql: str, params: Mapping[str, Any] | None = None, **scope: Any) -> pa.Table:
        plan = self.queries.plan(sql, self.scope(**scope), params)
        return self.queries.collect(plan, lambda: False)

    def rows(self, sql: str, params: Mapping[str, Any] | None = None, **scope: Any) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.ask(sql, params, **scope).to_pylist()]

    def _change(self, table: TableDef, change: Any) -> None:
        self._partitions[table.partition_id] = change(self._partitions[table.partition_id])


def _masked(chunk: HotChunk, deletes: DeleteSet) -> HotChunk:
    dead = deletes.contains(chunk.seqs)
    return HotChunk(chunk.batch, dead if dead.any() else None)


def _batch(table: TableDef, seqs: np.ndarray, values: dict[str, list[Any]]) -> pa.RecordBatch:
    """`_seq`, then the given columns (keyed by physical name) in the table's types."""
    types = {c.physical_name: c.type for c in table.columns}
    arrays = [v if isinstance(v, (pa.Array, pa.ChunkedArray)) else pa.array(v, types.get(k)) for k, v in values.items()]
    return pa.RecordBatch.from_arrays([pa.array(seqs), *arrays], names=["_seq", *values])
