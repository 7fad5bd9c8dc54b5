"""Group checks edits one after the other and gathers them into one atomic write.

Rule: an edit is checked completely before anything of it enters the group, so a refused edit leaves no trace.
Each edit sees the outcome of those before it in the group. Nothing here touches the disk but key look-ups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from storage.catalog.audit_record import AuditRecord
from storage.catalog.catalog import Catalog
from storage.catalog.partition_ids import is_owned, owner_of_partition
from storage.catalog.schema import TableDef, TableKind
from storage.database_time import Now
from storage.errors import Conflict, StorageUnavailable
from storage.failpoints import reach
from storage.group_commit.apply_events import HasListener, add_events, after_options, has_no_listener
from storage.group_commit.apply_maintenance import apply_maintenance
from storage.group_commit.apply_rows import (
    check_live,
    current_table,
    insert_files,
    insert_rows,
    record_deletes,
    record_keys,
)
from storage.group_commit.draft import Draft
from storage.primary_keys.encoding import key_taken, repeated_rows
from storage.primary_keys.index import UNDER_WAY, KeyIndex
from storage.rowstore.audit_log import audit_operations
from storage.rowstore.catalog_records import catalog_operations, last_seq_operation
from storage.rowstore.row_store import Operation
from storage.rowstore.table_versions import dropped_tables, stamped
from storage.seq import first_seq
from storage.state import transitions as transition
from storage.state.edits import Committed, Edit, Forgetting, RowChange
from storage.state.partition_change import PartitionChange
from storage.state.state import DatabaseState, PartitionState

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
        has_listener: HasListener = has_no_listener,
        settled: Now | None = None,
    ) -> None:
        """now_ms: the date of these commits
        load: reads a user's partition that is not in memory; has_listener: whether anybody listens to a stream's
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
        self._has_listener = has_listener
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
            apply_maintenance(draft, maintenance)
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
                draft.put(after_options(draft, was, table, stream, self._age_ms(stream)))

    def _change_rows(self, draft: Draft, change: RowChange) -> None:
        table = current_table(draft.state.catalog, change.table)
        self._fetch(draft, table.partition_id)
        before = draft.state.partition(table.partition_id)
        if table.kind is TableKind.STREAM:
            self._add_events(draft, table, before, change)
            return
        deletes = np.empty(0, np.int64) if change.deletes is None else change.deletes
        check_live(before, deletes, table)
        self._check_keys(draft, before, table, change, deletes)
        state = transition.with_deletes(before, deletes, draft.first_seq)
        if len(deletes):
            record_deletes(draft, table, np.sort(deletes), change)
        rows_seq = draft.next_seq
        state = insert_rows(draft, table, state, change)
        state = insert_files(draft, table, state, change)
        draft.changes.append(PartitionChange(table, change, draft.first_seq, rows_seq, before, state))
        record_keys(draft, table, change)
        draft.deleted += len(deletes)
        draft.inserted += change.rows_inserted
        draft.put(state)
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
        state = add_events(draft, table, before, change, self._age_ms(before), self._has_listener)
        if draft.next_seq > rows_seq:
            draft.changes.append(PartitionChange(table, change, draft.first_seq, rows_seq, before, state))
        draft.put(state)

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
