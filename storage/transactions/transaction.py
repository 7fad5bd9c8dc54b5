"""Transaction is a private overlay of changes on a snapshot.

Its `state` is the snapshot's with the own changes applied, under provisional `_seq`s above every one in it, so the
ordinary scan sees own writes. COMMIT turns the overlay into one edit over all its tables: rows inserted and deleted
again vanish, the rest get real `_seq`s. Snapshot isolation: whoever commits a row's deletion first wins, the other
gets a Conflict. An autocommit statement is a transaction of one statement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np

from storage.catalog.audit_record import AuditRecord
from storage.catalog.catalog import Catalog
from storage.catalog.names import TEMPORARY
from storage.catalog.partition_ids import table_of_partition
from storage.catalog.schema import TableDef
from storage.errors import ClockRefused, Conflict, LimitExceeded, StorageUnavailable
from storage.failpoints import reach
from storage.primary_keys.encoding import key_bytes, key_taken, repeated_rows
from storage.primary_keys.index import UNDER_WAY
from storage.primary_keys.load_keys import file_keys
from storage.seq import first_provisional
from storage.shares import Share
from storage.state import transitions as transition
from storage.state.edits import Committed, Edit, RowChange
from storage.state.row_versions import with_seq
from storage.state.snapshots import Snapshot
from storage.state.state import DatabaseState, PartitionState
from storage.transactions.edit_parts import CatalogChange, composed, row_change
from storage.transactions.pending_changes import Own, PendingChanges
from storage.transactions.row_stage import Staged
from storage.transactions.services import TransactionServices
from storage.transactions.temporary_overlay import TemporaryOverlay
from storage.transactions.temporary_tables import TemporaryTables

OWN_FILE_KEYS_MAX: Final = 10_000_000  # some 1.5 GB of keys


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a transaction."""

    state: DatabaseState
    pending: dict[int, PendingChanges]
    catalog_changes: int
    written: int
    audit: int
    bytes: int


class Transaction:
    """Not safe for use from several threads at once. End it with `commit` or `rollback`."""

    def __init__(
        self,
        services: TransactionServices,
        snapshot: Snapshot,
        temporary: TemporaryTables | None = None,
        user: str = "",
    ) -> None:
        """user: for whom its changes count as long as they are not committed, and its temporary tables after that"""
        self._services = services
        self._snapshot = snapshot
        self._temporary = TemporaryOverlay(services, temporary, user)
        self._state = self._temporary.over(snapshot.state)
        self._unshown: list[Callable[[], None]] = []
        self._pending: dict[int, PendingChanges] = {}
        self._catalog_changes: list[CatalogChange] = []
        self._audit: list[AuditRecord] = []
        self._first_provisional = first_provisional(snapshot.state.last_seq, self._temporary.last_seq)
        self._next_provisional = self._first_provisional
        self._written: list[Staged] = []
        self._share = Share(services.uncommitted, user)
        self.ended = False

    @property
    def state(self) -> DatabaseState:
        """The snapshot with the own changes. They are put in when somebody looks: most statements only commit."""
        unshown, self._unshown = self._unshown, []
        for show in unshown:
            show()
        return self._state

    @property
    def catalog(self) -> Catalog:
        """The snapshot's with the own changes, without putting own rows in first."""
        return self._state.catalog

    @property
    def has_temporary(self) -> bool:
        """Whether there may be temporary tables in its catalog."""
        return TEMPORARY in self._state.catalog.namespaces

    @property
    def snapshot_seq(self) -> int:
        """The newest `_seq` that it can see of others."""
        return self._snapshot.state.last_seq

    @property
    def tables_changed(self) -> int:
        """In how many tables it has changed rows so far."""
        return len(self._pending)

    @property
    def definitions(self) -> int:
        """How many of the database's definitions it has changed so far."""
        return len(self._catalog_changes)

    @property
    def is_empty(self) -> bool:
        """Nothing to commit."""
        return not self._pending and not self._catalog_changes and not self._audit

    def record(self, event: AuditRecord) -> None:
        """Have the audit log say so, if and when this commits."""
        self._audit.append(event)

    def change_catalog(self, change: CatalogChange) -> None:
        """DDL: checked against the overlay now and against the newest catalog at COMMIT. Raises as `change` does."""
        old = self.state.catalog
        catalog = change(old)
        is_temporary = self._temporary.is_changed(old, catalog)
        partitions = transition.after_definition(self.state.partitions, old, catalog)
        gone = old.tables_by_id.keys() - catalog.tables_by_id.keys()
        for partition_id in [id_ for id_ in self._pending if table_of_partition(id_) in gone]:
            del self._pending[partition_id]
        attached = transition.after_definition(self._state.attached, old, catalog)
        state = replace(self._state, catalog=catalog, partitions=MappingProxyType(partitions))
        self._state = replace(state, attached=attached)
        self._snapshot.reads_too(attached)
        if not is_temporary:
            self._catalog_changes.append(change)

    def find_keys(self, table: TableDef, keys: Sequence[bytes]) -> list[int | None]:
        """For each key the `_seq` of its version as this transaction sees it, or None.

        Raises Conflict when somebody committed (or is loading) the key since the snapshot.
        """
        own = self._own_keys(table)
        if table.name.is_temporary:
            return self._temporary.find_keys(table, keys, own)
        found = self._stored(table, keys)
        return [own[key] if key in own else self._seen(table, seq) for key, seq in zip(keys, found, strict=True)]

    def _own_keys(self, table: TableDef) -> dict[bytes, int | None]:
        """What earlier statements of this transaction did to keys, those included that went straight to files.

        Raises LimitExceeded (too many of these), StorageUnavailable.
        """
        pending = self._pending.get(table.partition_id)
        if pending is None:
            return {}
        unread, pending.unread = pending.unread, []
        if sum(own.staged.rows for own in unread) > OWN_FILE_KEYS_MAX:
            pending.unread = unread
            raise LimitExceeded(
                f"the transaction has loaded more than {OWN_FILE_KEYS_MAX} rows into table '{table.name}', too many to "
                "look their primary keys up; commit, then go on in a new one"
            )
        for own in unread:
            for keys, ordinals in file_keys(self._services.file_stores, table, own.staged.files):
                pending.keys.update(zip(keys, (ordinals + own.base).tolist(), strict=True))
        pending.keys.update(pending.deleted_since)
        pending.deleted_since.clear()
        return pending.keys

    def _stored(self, table: TableDef, keys: Sequence[bytes]) -> list[int | None]:
        partition = self._snapshot.state.partition(table.partition_id)
        if partition.is_empty and not self._services.keys.is_loading(table.partition_id):
            return [None] * len(keys)  # who came since then is met at COMMIT
        return self._services.keys.find(table.partition_id, keys)

    def _seen(self, table: TableDef, seq: int | None) -> int | None:
        if seq is not None and (seq == UNDER_WAY or seq > self._snapshot.state.last_seq):
            raise Conflict(f"another transaction wrote the same primary key of table '{table.name}' first; try again")
        return seq

    def change(
        self,
        table: TableDef,
        *,
        staged: Staged,
        keys: Sequence[bytes] = (),
        deletes: np.ndarray | None = None,
        deleted_keys: Sequence[bytes] = (),
    ) -> None:
        """Delete versions and add rows, both or neither.

        staged, keys: new rows; encoded primary keys of `staged.batches` (of staged files they are read at COMMIT)
        deletes, deleted_keys: int64 `_seq`s of versions that `state` shows as live; their encoded primary keys
        Raises ConstraintViolated when a key is taken, Conflict, LimitExceeded; then nothing was changed.
        """
        gone = np.empty(0, np.int64) if deletes is None else deletes
        self._check_free(table, staged, keys, frozenset(deleted_keys))
        if len(gone):
            self._check_live(table, gone)
        more = gone.nbytes + staged.batches_bytes + sum(map(key_bytes, (*keys, *deleted_keys)))
        self._share.hold(self._share.bytes + more)
        if len(gone):
            self._delete(table, gone, deleted_keys)
        if staged.rows:
            self._insert(table, staged, keys)
            if table.name.is_temporary:
                self._temporary.check_bytes(self.state)

    def mark(self) -> Mark:
        """This moment, to go back to when a later statement fails."""
        pending = {key: value.copy() for key, value in self._pending.items()}
        return Mark(
            self.state, pending, len(self._catalog_changes), len(self._written), len(self._audit), self._share.bytes
        )

    def restore(self, mark: Mark) -> None:
        """Undo all changes since `mark`."""
        for staged in self._written[mark.written :]:
            self._discard(staged)
        self._state = mark.state
        self._unshown.clear()
        self._pending = {key: value.copy() for key, value in mark.pending.items()}
        del self._catalog_changes[mark.catalog_changes :]
        del self._written[mark.written :]
        del self._audit[mark.audit :]
        self._share.hold(min(mark.bytes, self._share.bytes))

    def _insert(self, table: TableDef, staged: Staged, keys: Sequence[bytes]) -> None:
        pending = self._of(table)
        base = self._next_provisional
        self._next_provisional += staged.rows
        self._written.append(staged)
        pending.staged.append(Own(base, staged, keys))
        if staged.files and table.primary_key:
            pending.unread.append(pending.staged[-1])
        if keys:
            pending.keys.update(zip(keys, range(base, base + len(keys)), strict=True))
        self._unshown.append(partial(self._show, table, staged, base))

    def _delete(self, table: TableDef, seqs: np.ndarray, keys: Sequence[bytes]) -> None:
        pending = self._of(table)
        is_own = seqs >= self._first_provisional
        pending.deletes.append(seqs[~is_own])
        pending.own_deletes.append(seqs[is_own])
        if keys:
            for key, seq in zip(keys, seqs.tolist(), strict=True):
                pending.keys[key] = None
                if pending.unread:
                    pending.deleted_since[key] = None
                if seq < self._first_provisional:
                    pending.deleted_keys[key] = None
        self._unshown.append(partial(self._show_deleted, table, seqs, self._next_provisional))

    def commit(self, *, durable: bool) -> Committed | None:
        """One edit over everything; None when there was nothing. Raises Conflict, ConstraintViolated,
        StorageUnavailable. The transaction is over either way."""
        try:
            changes = tuple(self._row_change(pending) for pending in self._pending.values())
            if self.is_empty and not self._temporary.is_dirty(self._state):
                return None
            # An edit of nothing would take a `_seq` that is nowhere on disk.
            rows = tuple(change for change in changes if not (change.table.name.is_temporary or change.is_empty))
            edit = Edit(catalog=composed(self._catalog_changes), rows=rows, audit=tuple(self._audit), durable=durable)
            reach("transaction.before_commit")
            with self._temporary.committing(self._state, changes):
                committed = self._committed(edit)
            reach("transaction.after_commit")
            self._written = [s for s in self._written if s.files and not _is_part(s, edit)]  # of tables dropped again
            return committed
        finally:
            self.rollback()

    def _row_change(self, pending: PendingChanges) -> RowChange:
        table = self._state.catalog.table_by_id(pending.table)
        seen = self._snapshot.state.partition(table.partition_id)
        return row_change(pending, table, seen, self._services.load_keys)

    def _committed(self, edit: Edit) -> Committed | None:
        if edit.catalog is None and not edit.rows and not edit.audit:
            return None
        try:
            return self._services.commit(edit)
        except ClockRefused:
            raise
        except StorageUnavailable:
            self._written.clear()  # the edit may be on disk: its files must stay until that is known
            raise

    def rollback(self) -> None:
        """Forget everything and remove staged files."""
        if self.ended:
            return
        self.ended = True
        for staged in self._written:
            self._discard(staged)
        self._snapshot.close()
        self._share.close()

    def _discard(self, staged: Staged) -> None:
        if staged.load_id:
            self._services.keys.abort_load(staged.load_id)
        for file in staged.files:
            self._services.file_stores.discard(file)

    def _of(self, table: TableDef) -> PendingChanges:
        return self._pending.setdefault(table.partition_id, PendingChanges(table))

    def _put(self, partition: PartitionState) -> None:
        partitions = MappingProxyType({**self._state.partitions, partition.partition_id: partition})
        self._state = replace(self._state, partitions=partitions)

    def _check_free(self, table: TableDef, staged: Staged, keys: Sequence[bytes], deleted: frozenset[bytes]) -> None:
        # Keys of rows that this very change deletes were found by who named those rows.
        new = [(row, key) for row, key in enumerate(keys) if key not in deleted]
        found = self.find_keys(table, [key for _, key in new])
        taken = [row for (row, _), seq in zip(new, found, strict=True) if seq is not None]
        if len(set(keys)) != len(keys):
            taken += repeated_rows(keys)
        if taken:
            raise key_taken(table, staged.batches, taken)

    def _check_live(self, table: TableDef, seqs: np.ndarray) -> None:
        """Tell now, and not at COMMIT, that somebody changed one of the rows since the snapshot."""
        newest = self._services.newest_state()
        if newest is self._snapshot.state:
            return
        deletes = newest.partition(table.partition_id).deletes
        if bool(deletes.contains(seqs[seqs < self._first_provisional]).any()):
            raise Conflict(f"another transaction changed the same rows of table '{table.name}' first; try again")

    def _show_deleted(self, table: TableDef, seqs: np.ndarray, commit_seq: int) -> None:
        self._put(transition.with_deletes(self._state.partition(table.partition_id), seqs, commit_seq))

    def _show(self, table: TableDef, staged: Staged, base: int) -> None:
        partition = self._state.partition(table.partition_id)
        for batch in staged.batches:
            partition = transition.with_rows(partition, with_seq(batch, base))
            base += batch.num_rows
        files = tuple(
            msgspec.structs.replace(f, seq_base=base, seq_min=base + f.seq_min, seq_max=base + f.seq_max)
            for f in staged.files
        )
        self._put(transition.with_files(partition, files))


def _is_part(staged: Staged, edit: Edit) -> bool:
    return not {file.file_id for file in edit.files}.isdisjoint(file.file_id for file in staged.files)
