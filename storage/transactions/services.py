"""TransactionServices is what transactions need of the engine, which makes one value of it, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from storage.cold.file_store import FileStores
from storage.database_time import DatabaseTime
from storage.primary_keys.index import KeyIndex
from storage.primary_keys.load_keys import LoadKeys, ReserveKeys, ReserveUnseen
from storage.settings import StorageSettings
from storage.shares import Shares
from storage.state.edits import Committed, Edit, RowChange
from storage.state.state import DatabaseState


@dataclass(frozen=True, slots=True)
class TransactionServices:
    """All safe from any thread.

    newest_state: the database as it is now, which may be newer than a transaction's snapshot
    commit:       see `Engine.commit`
    file_stores:  where files of bulk loads lie
    reserve_keys, reserve_unseen: primary keys of bulk loads, a chunk at a time
    temporary, uncommitted: bytes of all temporary tables, and of all changes that are not committed
    """

    newest_state: Callable[[], DatabaseState]
    commit: Callable[[Edit], Committed]
    keys: KeyIndex
    file_stores: FileStores
    reserve_keys: ReserveKeys
    reserve_unseen: ReserveUnseen
    temporary: Shares
    uncommitted: Shares
    settings: StorageSettings
    time: DatabaseTime

    def load_keys(self, change: RowChange, load_id: int) -> LoadKeys:
        """The reservations of one bulk load's primary keys."""
        return LoadKeys(change, load_id, self.file_stores, self.reserve_keys, self.reserve_unseen)
