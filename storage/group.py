"""A group commit in the making: edits checked one after the other, gathered into one atomic write.

Rule: an edit is checked completely before anything of it enters the group, so a refused edit leaves no trace.
Each edit sees the outcome of those before it in the group. Nothing here touches the disk but key look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from storage import partition as transition
from storage.audit import AuditRecord, audit_operations
from storage.catalog import Catalog
from storage.database_time import Now
from storage.delete_records import delete_record, purged_record
from storage.edits import (
    Committed,
    CompactChange,
    Edit,
    EvictChange,
    FlushChange,
    Forgetting,
    HotPurge,
    Maintenance,
    RowChange,
)
from storage.errors import Conflict, NotFound, StorageUnavailable
from storage.failpoints import reach
from storage.feed import PartitionChange
from storage.forget import forget_operations, without_forgotten
from storage.history import dropped_tables, stamped
from storage.hot import Operation, Put, PutEach, Remove, RemoveRange
from storage.hot_codec import encode_rows, encode_versions, with_seq
from storage.key_index import UNDER_WAY, KeyIndex, loading_key
from storage.keys import (
    HOT,
    MANIFEST,
    META,
    PK,
    is_owned,
    owner_of_partition,
    pair_key,
    pk_key,
    pk_prefix,
    table_of_partition,
)
from storage.manifest import encode_cold_file
from storage.meta import catalog_operations, last_seq_operation, load_operation
from storage.primary_key import key_taken, load_entry, repeated_rows, seq_entries
from storage.schema import TableDef, TableKind
from storage.seq import first_seq
from storage.state import ColdFile, DatabaseState, PartitionState
from storage.stream_commit import IsHeard, add_events, after_options, evict_below, is_not_heard


@dataclass(slots=True)
class Draft:
    """One edit's part of the group while it is being checked."""

    state: DatabaseState
    first_seq: int
    next_seq: int
    inserted: int = 0
    deleted: int = 0
    discarded: int = 0
    evicted: int = 0
    operations: list[Operation] = field(default_factory=list)
    keys: dict[bytes, int | None] = field(default_factory=dict)
    loads: dict[int, int] = field(default_factory=dict)
    changes: list[PartitionChange] = field(default_factory=list)


LoadPartition = Callable[[DatabaseState, int], PartitionState]
"""Reads a user's partition as it is now. Raises Corruption."""


def _no_partition(_: DatabaseState, partition_id: int) -> PartitionState:
    """For databases without user tables."""
    return PartitionState(partition_id)


class Group:
    """Gathers edits on top of `state`; then `operations` is what to write and `state` what to publish."""

    def __init__(
        self,
        state: DatabaseState,
        index: KeyIndex,
        now_ms: int,
        load: LoadPartition = _no_partition,
        is_heard: IsHeard = is_not_heard,
        settled: Now | None = None,
    ) -> None:
        """now_ms: the date of these commits
        load: reads a user's partition that is not in memory; is_heard: whether anybody listens to a stream's
        settled: the time by which events leave their stream; None = `now_ms`, by a clock that is right
        """
        self.state = state
        self.operations: list[Operation] = []
        self.loads: dict[int, int] = {}
        self.changes: list[PartitionChange] = []
        self.durable = False
        self._index = index
        self._now_ms = now_ms
        self._settled = settled or Now.at(now_ms)
        self._load = load
        self._is_heard = is_heard
        self._keys: dict[bytes, int | None] = {}

    def add(self, edit: Edit) -> Committed:
        """Check and take in one edit. Raises Conflict, ConstraintViolated, AlreadyExists, NotFound, InvalidRequest,
        ClockRefused."""
        first = first_seq(self.state.last_seq, self._now_ms, self._settled.clock_ms)
        draft = Draft(self.state, first, first)
        # Two changes of one partition would write its delete record twice, under one key.
        assert len({change.table.partition_id for change in edit.rows}) == len(edit.rows), "one change a partition"
        if edit.catalog is not None:
            self._change_catalog(draft, edit.catalog(self.state.catalog), edit.audit)
            reach("commit.after_catalog_check")
        for change in edit.rows:
            self._change_rows(draft, change)
        for maintenance in edit.maintenance:
            if not isinstance(maintenance, Forgetting):
                self._fetch(draft, maintenance.partition_id)
            _maintain(draft, maintenance)
        if edit.audit:
            draft.operations += audit_operations(edit.audit, draft.first_seq, self._now_ms)
            draft.operations.append(last_seq_operation(draft.first_seq))  # the records' keys are never used again
        return self._take(draft, edit)

    def _take(self, draft: Draft, edit: Edit) -> Committed:
        last_seq = max(draft.next_seq - 1, draft.first_seq)
        self.state = replace(draft.state, last_seq=last_seq, attached={})
        self.operations += draft.operations
        self.loads |= draft.loads
        self.changes += draft.changes
        self._keys |= draft.keys
        self.durable = self.durable or edit.durable
        return Committed(draft.first_seq, last_seq, draft.inserted, draft.deleted, draft.discarded, draft.evicted)

    def _change_catalog(self, draft: Draft, catalog: Catalog, audit: tuple[AuditRecord, ...]) -> None:
        old = draft.state.catalog
        catalog = stamped(old, catalog, draft.first_seq, self._now_ms, audit)
        draft.operations += catalog_operations(old, catalog, self._now_ms)
        draft.operations += dropped_tables(old, catalog, draft.first_seq, audit)
        # A dropped table takes the newest `_seq`s from disk with it; they must never be given out again.
        draft.operations.append(last_seq_operation(draft.first_seq))
        partitions = transition.after_definition(draft.state.partitions, old, catalog)
        draft.state = replace(draft.state.with_partitions(partitions), catalog=catalog)
        before = {table.table_id: table for table in old.tables.values() if table.kind is TableKind.STREAM}
        for table in catalog.tables.values():
            was = before.get(table.table_id, table)
            if was is not table and table.partition_id in partitions:
                stream = draft.state.partition(table.partition_id)
                _set_partition(draft, after_options(draft, was, table, stream, self._age_ms(stream)))

    def _change_rows(self, draft: Draft, change: RowChange) -> None:
        table = _current(draft.state.catalog, change.table)
        self._fetch(draft, table.partition_id)
        before = draft.state.partition(table.partition_id)
        if table.kind is TableKind.STREAM:
            self._add_events(draft, table, before, change)
            return
        deletes = np.empty(0, np.int64) if change.deletes is None else change.deletes
        _check_live(before, deletes, table)
        self._check_keys(draft, before, table, change, deletes)
        state = transition.with_deletes(before, deletes, draft.first_seq)
        if len(deletes):
            _record_deletes(draft, table, np.sort(deletes), change)
        rows_seq = draft.next_seq
        state = _insert(draft, table, state, change)
        state = _insert_files(draft, table, state, change)
        draft.changes.append(PartitionChange(table, change, draft.first_seq, rows_seq, before, state))
        _record_keys(draft, table, change)
        draft.deleted += len(deletes)
        draft.inserted += change.rows_inserted
        _set_partition(draft, state)
        if is_owned(table.partition_id):  # a start does not look into users' partitions for the newest `_seq`
            draft.operations.append(last_seq_operation(draft.next_seq))

    def _fetch(self, draft: Draft, partition_id: int) -> None:
        """Have a user's partition in memory before it is changed. Raises StorageUnavailable (it can't have one)."""
        if is_owned(partition_id) and not owner_of_partition(partition_id):
            raise StorageUnavailable("no new user can store rows in a user table for now; nothing was stored")
        if is_owned(partition_id) and partition_id not in draft.state.partitions:
            draft.state = draft.state.with_partition(self._load(draft.state, partition_id))

    def _add_events(self, draft: Draft, table: TableDef, before: PartitionState, change: RowChange) -> None:
        rows_seq = draft.next_seq
        state = add_events(draft, table, before, change, self._age_ms(before), self._is_heard)
        if draft.next_seq > rows_seq:
            draft.changes.append(PartitionChange(table, change, draft.first_seq, rows_seq, before, state))
        _set_partition(draft, state)

    def _age_ms(self, stream: PartitionState) -> int:
        """The time that tells which of a stream's events are past their retention."""
        return self._settled.ageing(stream.oldest_hot_ms)

    def _check_keys(
        self, draft: Draft, before: PartitionState, table: TableDef, change: RowChange, deletes: np.ndarray
    ) -> None:
        keys = change.new_keys
        if not keys:
            return
        if not before.is_same(change.checked_on) or self._index.is_loading(table.partition_id):
            self._look_up(draft, table, change, deletes)
        if len(set(keys)) != len(keys):
            raise key_taken(table, change.inserts, repeated_rows(keys))

    def _look_up(self, draft: Draft, table: TableDef, change: RowChange, deletes: np.ndarray) -> None:
        pending = {**self._keys, **draft.keys} if draft.keys else self._keys
        own = set(deletes.tolist())
        found = self._index.find(table.partition_id, change.new_keys, pending)
        taken = [row for row, seq in enumerate(found) if seq is not None and seq not in own]
        if taken:
            if found[taken[0]] == UNDER_WAY:
                raise Conflict(f"a bulk load under way brings the same primary key to table '{table.name}'; try again")
            raise key_taken(table, change.inserts, taken)


def _insert(draft: Draft, table: TableDef, state: PartitionState, change: RowChange) -> PartitionState:
    for batch in change.inserts:
        if batch.num_rows == 0:
            continue
        first = draft.next_seq
        key = pair_key(table.partition_id, first)
        draft.operations.append(Put(HOT, key, encode_rows(batch, table.version)))
        state = transition.with_rows(state, with_seq(batch, first))
        draft.next_seq += batch.num_rows
    return state


def _insert_files(draft: Draft, table: TableDef, state: PartitionState, change: RowChange) -> PartitionState:
    """Staged files hold ordinals; the load's first `_seq` becomes their base."""
    if not change.staged:
        return state
    base = draft.next_seq
    files = tuple(
        msgspec.structs.replace(f, seq_base=base + f.seq_base, seq_min=base + f.seq_min, seq_max=base + f.seq_max)
        for f in change.staged
    )
    _check_storages(draft.state.catalog, files)
    draft.operations += [_manifest_put(table.partition_id, file) for file in files]
    draft.next_seq += sum(file.rows for file in files)
    if change.load_id and table.primary_key:
        draft.operations.append(load_operation(change.load_id, base, table.partition_id))
        draft.operations.append(Remove(META, loading_key(change.load_id)))
        draft.loads[change.load_id] = base
    late = change.late_keys
    draft.operations += [Put(PK, pk_key(table.partition_id, k), load_entry(change.load_id, n)) for k, n in late]
    draft.keys |= {pk_key(table.partition_id, k): base + n for k, n in late}
    state = transition.with_files(state, files)
    if change.staged_deletes is None or len(change.staged_deletes) == 0:
        return state
    seqs = np.sort(change.staged_deletes + base)
    draft.operations.append(delete_record(table.partition_id, base, seqs))
    return transition.with_deletes(state, seqs, base)


def _record_deletes(draft: Draft, table: TableDef, ordered: np.ndarray, change: RowChange) -> None:
    draft.operations.append(delete_record(table.partition_id, draft.first_seq, ordered))
    # A delete takes a `_seq` of its own, so that no later commit can share its time.
    draft.next_seq = max(draft.next_seq, draft.first_seq + 1)
    prefix, kept = pk_prefix(table.partition_id), frozenset(change.new_keys)
    gone = [prefix + key for key in change.deleted_keys if key not in kept]  # those kept get a new entry
    draft.operations += [Remove(PK, full) for full in gone]
    draft.keys |= dict.fromkeys(gone)


def _record_keys(draft: Draft, table: TableDef, change: RowChange) -> None:
    if not change.new_keys:
        return
    first = draft.next_seq - sum(b.num_rows for b in change.inserts) - sum(f.rows for f in change.staged)
    prefix, keys = pk_prefix(table.partition_id), change.new_keys
    draft.operations.append(PutEach(PK, prefix, keys, seq_entries(np.arange(first, first + len(keys)))))
    draft.keys |= {prefix + key: first + row for row, key in enumerate(keys)}


def _maintain(draft: Draft, change: Maintenance) -> None:
    """Flush and compaction move rows; they change none, so they need no check but that the table is still there."""
    # Purging may remove the newest `_seq` from disk; it must never be given out again.
    draft.operations.append(last_seq_operation(draft.first_seq))
    if isinstance(change, Forgetting):
        draft.operations += forget_operations(change, draft.state.catalog)
        draft.state = without_forgotten(draft.state, change)
        return
    if table_of_partition(change.partition_id) not in draft.state.catalog.table_ids():
        raise NotFound("the table was dropped while its rows were being moved")
    state = draft.state.partition(change.partition_id)
    if isinstance(change, HotPurge):
        _purge_hot(draft, state, change)
        return
    if isinstance(change, EvictChange):
        table = next(t for t in draft.state.catalog.tables.values() if t.partition_id == change.partition_id)
        _set_partition(draft, evict_below(draft, table, state, change.seq_below))
        return
    _check_storages(draft.state.catalog, change.files)
    draft.operations += [_manifest_put(change.partition_id, file) for file in change.files]
    if isinstance(change, FlushChange):
        start, end = pair_key(change.partition_id, 0), pair_key(change.partition_id, change.seq_max + 1)
        draft.operations.append(RemoveRange(HOT, start, end))
        _set_partition(draft, transition.after_flush(state, change.seq_max, change.files))
        return
    _compact(draft, state, change)


def _purge_hot(draft: Draft, state: PartitionState, change: HotPurge) -> None:
    start, end = pair_key(change.partition_id, change.seq_min), pair_key(change.partition_id, change.seq_max + 1)
    draft.operations.append(RemoveRange(HOT, start, end))
    if change.kept is not None:
        key = pair_key(change.partition_id, change.kept.column(0)[0].as_py())
        draft.operations.append(Put(HOT, key, encode_versions(change.kept, change.version)))
    after = transition.after_hot_purge(state, change.purged)
    draft.operations += _purge_operations(state, change.purged, after.purged_seq)
    _set_partition(draft, after)


def _compact(draft: Draft, state: PartitionState, change: CompactChange) -> None:
    present = {file.file_id for file in state.cold}
    if not present.issuperset(change.replaced):
        raise Conflict("a file was replaced by another compaction first")
    draft.operations += [Remove(MANIFEST, pair_key(change.partition_id, file_id)) for file_id in change.replaced]
    purged = np.empty(0, np.int64) if change.purged is None else change.purged
    after = transition.after_compaction(state, frozenset(change.replaced), change.files, purged)
    draft.operations += _purge_operations(state, purged, after.purged_seq)
    _set_partition(draft, after)


def _purge_operations(state: PartitionState, purged: np.ndarray, purged_seq: int) -> list[Operation]:
    """Rewrite the delete records that name purged versions, and remember how far back they went."""
    if len(purged) == 0:
        return []
    every = state.deletes.all
    gone = np.isin(every.seqs, purged)
    touched = np.unique(every.commits[gone])
    kept = ~gone & np.isin(every.commits, touched)
    order = np.argsort(every.commits[kept], kind="stable")  # by commit, then by `_seq`
    left_seqs = every.seqs[kept][order]
    bounds = np.searchsorted(every.commits[kept][order], np.append(touched, np.iinfo(np.int64).max))
    operations: list[Operation] = [purged_record(state.partition_id, purged_seq)]
    for commit, start, end in zip(touched.tolist(), bounds[:-1], bounds[1:], strict=True):
        operations.append(delete_record(state.partition_id, commit, left_seqs[start:end]))
    return operations


def _check_storages(catalog: Catalog, files: Iterable[ColdFile]) -> None:
    for file in files:
        if file.storage not in catalog.storages:
            raise Conflict(f"storage '{file.storage}' was dropped while a file was written to it; run it again")


def _manifest_put(partition_id: int, file: object) -> Operation:
    return encode_cold_file(MANIFEST, partition_id, file)  # type: ignore[arg-type]


def _set_partition(draft: Draft, state: PartitionState) -> None:
    draft.state = draft.state.with_partition(state)


def _current(catalog: Catalog, seen: TableDef) -> TableDef:
    """The table as it is now; a Conflict when it is not what the statement saw."""
    table = catalog.tables.get(seen.name)
    if table is None or table.table_id != seen.table_id:
        raise Conflict(f"table '{seen.name}' was dropped or replaced while the statement ran; run it again")
    if table.version != seen.version:
        raise Conflict(f"table '{seen.name}' was altered while the statement ran; run it again")
    return table if seen.owner is None else table.owned_by(seen.owner)


def _check_live(state: PartitionState, deletes: np.ndarray, table: TableDef) -> None:
    if len(deletes) and state.deletes.contains(deletes).any():
        raise Conflict(f"a row of table '{table.name}' was changed by another transaction first; run yours again")
