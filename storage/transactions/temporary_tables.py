"""TemporaryTables holds the temporary tables of one session, in memory.

They live beside the database and not in it: no disk, no jobs, no other session ever meets them. A transaction puts
them over its snapshot under the namespace `pg_temp`, so that statements, savepoints and rollback treat them as any
table; at COMMIT their part of the overlay becomes the session's next `TemporaryState`. Deleted versions are let go of
as soon as they outnumber the live ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from storage.catalog.catalog import Catalog
from storage.catalog.names import TEMPORARY, TableName
from storage.catalog.schema import NamespaceDef, TableDef, fill_arrays
from storage.database_time import Now
from storage.errors import Cancelled, Conflict
from storage.primary_keys.encoding import key_bytes
from storage.seq import first_seq
from storage.shares import Share, Shares
from storage.state import transitions as transition
from storage.state.edits import RowChange
from storage.state.row_versions import with_seq
from storage.state.state import DatabaseState, HotChunk, PartitionState

_NAMESPACE: Final = NamespaceDef(name=TEMPORARY, description="this session's own tables")


@dataclass(frozen=True, slots=True, eq=False)
class TemporaryState:
    """The temporary tables of one session at one moment."""

    tables: Mapping[TableName, TableDef] = field(default_factory=lambda: MappingProxyType({}))
    partitions: Mapping[int, PartitionState] = field(default_factory=lambda: MappingProxyType({}))
    last_seq: int = 0

    @property
    def bytes(self) -> int:
        return sum(partition.hot_bytes for partition in self.partitions.values())


@dataclass(frozen=True, slots=True)
class TemporaryChange:
    """What a transaction does to them: the tables there are afterwards, and changes of their rows."""

    tables: Mapping[TableName, TableDef]
    rows: Sequence[RowChange]


class _Keys:
    """The `_seq` of each encoded primary key, and what they take."""

    def __init__(self) -> None:
        self.seqs: dict[bytes, int] = {}
        self.bytes = 0

    def put(self, key: bytes, seq: int | None) -> int | None:
        """From here on; None: no more. Returns what it was."""
        old = self.seqs.pop(key, None)
        self.bytes -= 0 if old is None else key_bytes(key)
        if seq is not None:
            self.seqs[key] = seq
            self.bytes += key_bytes(key)
        return old


class TemporaryTables:
    """The temporary tables of one session. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = TemporaryState()
        self._keys: dict[int, _Keys] = {}  # of each partition
        self._share: Share | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<TemporaryTables [{len(self._state.tables)} tables, {self._state.bytes} bytes]>"

    def __len__(self) -> int:
        return len(self._state.tables)

    @property
    def state(self) -> TemporaryState:
        return self._state

    def find(self, partition_id: int, keys: Sequence[bytes]) -> list[int | None]:
        """The `_seq` of each key's live version, or None."""
        found = self._keys.get(partition_id)
        return [None if found is None else found.seqs.get(key) for key in keys]

    def close(self) -> None:
        """The session ended: forget everything."""
        with self._lock:
            self._closed = True
            if self._share is not None:
                self._share.close()
            self._state = TemporaryState()
            self._keys.clear()

    @contextmanager
    def committing(
        self, base: TemporaryState, change: TemporaryChange, shares: Shares, user: str, now: Now
    ) -> Iterator[None]:
        """Check `change`, and make it after the body, unless that raises. What is held counts for `user`.

        Raises Conflict, LimitExceeded, Cancelled, ClockRefused.
        """
        with self._lock:
            if self._closed:
                raise Cancelled("the session was closed; its temporary tables are gone")
            if self._state is not base:
                raise Conflict("another statement of the session changed its temporary tables first; try again")
            made, undo_keys = self._next(base, change, now)
            share = self._share = self._share or Share(shares, user)
            held = share.bytes
            try:
                share.hold(made.bytes + sum(keys.bytes for id_, keys in self._keys.items() if id_ in made.partitions))
                yield
            except BaseException:
                share.hold(held)
                undo_keys()
                raise
            self._state = made
            for partition_id in set(self._keys) - set(made.partitions):
                del self._keys[partition_id]

    def _next(
        self, base: TemporaryState, change: TemporaryChange, now: Now
    ) -> tuple[TemporaryState, Callable[[], None]]:
        """The state after `change`, keys being entered already; and what takes them out again."""
        partitions = {
            table.partition_id: _altered(base, table) for table in sorted(change.tables.values(), key=lambda t: t.name)
        }
        seq = first_seq(base.last_seq, now.database_ms, now.clock_ms)
        before: list[tuple[_Keys, bytes, int | None]] = []
        for rows in change.rows:
            id_ = rows.table.partition_id
            if id_ not in partitions:
                continue  # dropped again in the same transaction
            self._enter_keys(rows, seq, before)
            partitions[id_], seq = _changed(partitions[id_], rows, seq)

        def undo() -> None:
            for known, key, old in reversed(before):
                known.put(key, old)

        return TemporaryState(change.tables, MappingProxyType(partitions), seq), undo

    def _enter_keys(self, rows: RowChange, seq: int, before: list[tuple[_Keys, bytes, int | None]]) -> None:
        known = self._keys.setdefault(rows.table.partition_id, _Keys())
        before += [(known, key, known.put(key, None)) for key in rows.deleted_keys]
        before += [(known, key, known.put(key, seq + place)) for place, key in enumerate(rows.new_keys)]


def with_temporary(state: DatabaseState, own: TemporaryState) -> DatabaseState:
    """The database as the session sees it. The very same when it has no temporary table."""
    if not own.tables:
        return state
    catalog = replace(with_namespace(state.catalog), tables=MappingProxyType({**state.catalog.tables, **own.tables}))
    return replace(state, catalog=catalog, partitions=MappingProxyType({**state.partitions, **own.partitions}))


def with_namespace(catalog: Catalog) -> Catalog:
    """The catalog with the namespace of temporary tables."""
    return catalog if TEMPORARY in catalog.namespaces else catalog.with_namespace(_NAMESPACE)


def temporary_tables(catalog: Catalog) -> Mapping[TableName, TableDef]:
    """Those in a transaction's catalog."""
    if TEMPORARY not in catalog.namespaces:
        return MappingProxyType({})
    return MappingProxyType({n: table for n, table in catalog.tables.items() if n.namespace == TEMPORARY})


def _altered(base: TemporaryState, table: TableDef) -> PartitionState:
    partition = base.partitions.get(table.partition_id) or PartitionState(table.partition_id)
    before = next((t for t in base.tables.values() if t.table_id == table.table_id), None)
    return (
        partition if before is None or before is table else transition.after_alter(partition, table, fill_arrays(table))
    )


def _changed(partition: PartitionState, rows: RowChange, seq: int) -> tuple[PartitionState, int]:
    if rows.deletes is not None:
        partition = transition.with_deletes(partition, np.sort(rows.deletes), seq)
    for batch in rows.inserts:
        partition = transition.with_rows(partition, with_seq(batch, seq))
        seq += batch.num_rows
    return _without_dead(partition), seq


def _without_dead(partition: PartitionState) -> PartitionState:
    """Memory is what limits these tables, and nobody looks at their past."""
    if len(partition.deletes) * 2 < partition.hot_rows or not partition.deletes.chunks:
        return partition
    live = (chunk.live for chunk in partition.hot)
    return PartitionState(partition.partition_id, tuple(HotChunk(batch) for batch in live if batch.num_rows))
