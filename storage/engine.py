"""Engine opens a data directory, gives snapshots and transactions, commits edits.

Guarantees: a commit that returned survives kill -9 and, on an honest disk, a power cut; one that raised or never
answered is there whole or not at all; a reader sees one moment; damage is reported, never skipped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from storage.catalog.credentials import secret_box
from storage.catalog.schema import TableDef, TableKind
from storage.clock import Clock
from storage.cold.file_names import holds_cold_files
from storage.cold.file_store import FileStores
from storage.cold.local_store import LocalStore
from storage.cold.obsolete_files import ObsoleteFiles
from storage.cold.open_store import StoreOpener
from storage.commit.backpressure import WriteBackpressure, full_of
from storage.commit.change_feed import ChangeFeed
from storage.commit.checkpoints import Checkpoints
from storage.commit.committer import Committer
from storage.commit.partition_locks import PartitionLocks
from storage.commit.user_partitions import UserPartitions
from storage.commit.user_tables import UserTables
from storage.counters import Counters
from storage.data_directory import COLD, ROWS, SPOOL, DirectoryLock, take_over
from storage.database_time import DatabaseTime
from storage.durable_files import made_folder
from storage.failpoints import reach
from storage.primary_keys.index import KeyIndex
from storage.primary_keys.row_group_cache import RowGroups
from storage.primary_keys.row_lookup import RowLookup
from storage.rowstore.audit_log import AuditLog
from storage.rowstore.catalog_records import (
    DROPPED_KEYS,
    DroppedPartition,
    MetaRecords,
    format_operation,
    next_id_operation,
    read_dropped,
)
from storage.rowstore.job_records import JobRecords
from storage.rowstore.keys import META
from storage.rowstore.load_state import recover
from storage.rowstore.owners import Owners
from storage.rowstore.row_store import RowStore
from storage.rowstore.startup_check import check_at_startup
from storage.rowstore.table_versions import TableHistory
from storage.seq import ms_of
from storage.settings import StorageSettings
from storage.shares import ShareLimits, Shares
from storage.state.edits import Committed, Edit
from storage.state.snapshots import Snapshot, SnapshotRegistry
from storage.state.state import DatabaseState
from storage.transactions.direct_insert import DirectInserts
from storage.transactions.row_stage import RowStage
from storage.transactions.services import TransactionServices
from storage.transactions.temporary_tables import TemporaryTables
from storage.transactions.transaction import Transaction

IDS_AT_ONCE: Final = 1024  # ids reserved by one durable write


class Engine:
    """One open data directory. All methods are safe from any thread."""

    def __init__(self, directory: Path, settings: StorageSettings, clock: Clock) -> None:
        """Take the lock and recover. Raises DirectoryInUse, Corruption, StorageUnavailable."""
        self.directory = directory
        self.settings = settings
        self.clock = clock
        self.counters = Counters()
        self.snapshots = SnapshotRegistry()
        self.feed = ChangeFeed(self.snapshots)
        self.temporary = Shares(_temporary_limits(settings))
        self.uncommitted = Shares(_uncommitted_limits(settings))
        self.partition_locks = PartitionLocks()
        self._ids_lock = threading.Lock()
        self.backpressure = WriteBackpressure(clock)
        with ExitStack() as undo:
            self._lock = DirectoryLock(made_folder(directory))
            undo.callback(self._lock.release)
            take_over(directory)
            cold = made_folder(directory / COLD)
            found = check_at_startup(made_folder(directory / ROWS), partial(holds_cold_files, cold))
            self.row_store = RowStore(directory / ROWS)
            undo.callback(self.row_store.close)
            self.files = LocalStore(cold, self.row_store.refuse_writes)
            self.secrets = secret_box(settings.secrets_key_file)
            opener = StoreOpener(directory / SPOOL, self.secrets, settings, self.counters, clock)
            self.file_stores = FileStores(self.files, lambda: self.state.catalog, opener)
            recovered = found or recover(self.row_store)
            reach("open.after_recovery")
            self._start(recovered.meta, recovered.state)
            undo.pop_all()

    @staticmethod
    def open(directory: Path, settings: StorageSettings, clock: Clock) -> Engine:
        return Engine(directory, settings, clock)

    def _start(self, meta: MetaRecords, state: DatabaseState) -> None:
        if meta.is_new:
            self.row_store.write([format_operation()], durable=True)
        self._next_id = self._reserved_below = meta.next_id
        self.keys = KeyIndex(self.row_store, dict(meta.loads), dict(meta.cut_off))
        groups = RowGroups(self.file_stores, self.settings.row_cache_bytes_max)
        self.rows = RowLookup(self.keys, groups, lambda seen: self.committer.settled(seen))
        self.time = DatabaseTime(self.clock, state.last_seq and ms_of(state.last_seq) + 1)
        settings = self.settings
        self.job_records = JobRecords(self.row_store)
        self.table_history = TableHistory(self.row_store)
        self.audit_log = AuditLog(self.row_store)
        self.owners = Owners(self.row_store, self.new_id)
        self.user_partitions = UserPartitions(
            self.row_store, self.owners, self.clock, settings.user_partitions_max, settings.user_idle_seconds
        )
        state = replace(state, absent=lambda seen, partition_id: self.users.absent(seen, partition_id))
        edits_max, feed, counters = settings.group_commit_edits_max, self.feed, self.counters
        self.committer = Committer(
            self.row_store,
            self.keys,
            state,
            self.user_partitions,
            self.clock,
            self.time,
            edits_max,
            self._resolve_unknown,
            feed,
            counters,
        )
        self.committer.add_listener(lambda _: self.backpressure.tell_waiting())
        self.checkpoints = Checkpoints(self.row_store, self.committer)
        self.obsolete_files = ObsoleteFiles(
            self.file_stores, self.snapshots, lambda: self.state, lambda: self.health == "ok", self.rows.forget
        )
        self.users = UserTables(
            self.committer, self.owners, self.user_partitions, self.partition_locks, self.obsolete_files
        )
        self.direct_inserts = DirectInserts(self.keys, self.commit)
        self._transactions = TransactionServices(
            newest_state=lambda: self.state,
            commit=self.commit,
            keys=self.keys,
            file_stores=self.file_stores,
            reserve_keys=self.committer.reserve_keys,
            reserve_unseen=self.committer.reserve_unseen,
            temporary=self.temporary,
            uncommitted=self.uncommitted,
            settings=settings,
            time=self.time,
        )

    @property
    def state(self) -> DatabaseState:
        """The newest state; immutable. Hold a `snapshot` instead to read cold files from it."""
        return self.committer.state

    @property
    def health(self) -> str:
        """ "ok", or why writes are refused."""
        return self.row_store.failed or self.checkpoints.restart_wanted or "ok"

    def snapshot(self) -> Snapshot:
        """The newest state, with its files kept on disk until closed."""
        while True:
            state = self.state
            snapshot = self.snapshots.open(state)
            if state is self.state:
                return snapshot
            # A commit came in between: a sweep may have missed this snapshot. Take the newer state.
            snapshot.close()

    def begin(self, temporary: TemporaryTables | None = None, user: str = "") -> Transaction:
        """A private overlay on a fresh snapshot, and on the temporary tables of whoever asks."""
        return Transaction(self._transactions, self.snapshot(), temporary, user)

    def commit(self, edit: Edit) -> Committed:
        """Block until the edit is durable. Raises Conflict, ConstraintViolated, AlreadyExists, NotFound,
        StorageUnavailable (outcome unknown), ClockRefused."""
        committed = self.committer.commit(edit)
        for file in edit.files:
            self.file_stores.release(file)
        return committed

    def _resolve_unknown(self, edit: Edit) -> None:
        """It was not known whether `edit` is on disk. Now the state tells: what is not in it is for the sweep."""
        for file in edit.files:
            self.file_stores.release(file)
        for change in edit.rows:
            if change.load_id:
                self.keys.abort_load(change.load_id)  # does nothing if the load is on disk

    def new_id(self) -> int:
        """An id never given out before, for tables, partitions, files and loads alike.

        Raises StorageUnavailable, also while writes are refused: whoever asks for an id is about to write, perhaps a
        large file that nothing could make live.
        """
        self.row_store.check_writable()
        with self._ids_lock:
            if self._next_id >= self._reserved_below:
                below = self._next_id + IDS_AT_ONCE
                self.row_store.write([next_id_operation(below)], durable=True)
                self._reserved_below = below
            self._next_id += 1
            return self._next_id - 1

    def write_stage(self, table: TableDef) -> RowStage:
        """Where a statement's new rows go before its edit."""
        return RowStage(table, self.file_stores, self.settings, self.clock, self.new_id)

    def wait_for_room(self, cancelled: Callable[[], bool], kind: TableKind = TableKind.SHARED) -> None:
        """Wait while hot rows, or the events of all streams, fill their limit. Raises LimitExceeded, Cancelled."""
        seconds_max = self.settings.write_wait_seconds_max
        self.backpressure.wait(
            lambda: full_of(self.state, self.settings, kind, self.file_stores.trouble), cancelled, seconds_max
        )

    def purge_limit_seq(self) -> int:
        """Deletes committed from here on must be kept: a transaction that began before them has to meet them."""
        newest = self.state.last_seq  # before the registry: a snapshot opened after this is of a later state
        oldest = self.snapshots.oldest_seq()
        return min(newest, newest if oldest is None else oldest) + 1

    def dropped(self) -> list[DroppedPartition]:
        """What dropped tables left and `clean_dropped` has not yet removed."""
        return read_dropped(self.row_store.scan(META, *DROPPED_KEYS))

    def close(self) -> None:
        """Finish waiting commits, close the row store, give up the lock.

        Raises StorageUnavailable: nothing that was acknowledged is lost.
        """
        self.committer.close()
        try:
            reach("close.before_rows")
            self.row_store.close()
            reach("close.after_rows")
        finally:
            self._lock.release()


def _temporary_limits(settings: StorageSettings) -> ShareLimits:
    return ShareLimits(
        "the temporary tables",
        settings.temporary_total_bytes_max,
        "storage.temporary_total_bytes_max",
        settings.temporary_per_user_bytes_max,
        "storage.temporary_per_user_bytes_max",
    )


def _uncommitted_limits(settings: StorageSettings) -> ShareLimits:
    return ShareLimits(
        "uncommitted changes",
        settings.uncommitted_bytes_max,
        "storage.uncommitted_bytes_max",
        settings.uncommitted_per_user_bytes_max,
        "storage.uncommitted_per_user_bytes_max",
    )
