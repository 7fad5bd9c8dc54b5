"""ObsoleteFiles removes replaced files once no open snapshot names them. A restart leaves them to the sweep."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from storage.catalog.storages import LOCAL
from storage.cold.file_store import FileStores
from storage.errors import NotFound, StorageUnavailable
from storage.failpoints import reach
from storage.state.snapshots import SnapshotRegistry
from storage.state.state import ColdFile, DatabaseState, live_files


class ObsoleteFiles:
    """Safe from any thread."""

    def __init__(
        self,
        file_stores: FileStores,
        snapshots: SnapshotRegistry,
        newest_state: Callable[[], DatabaseState],
        takes_writes: Callable[[], bool],
        forget_rows: Callable[[frozenset[int]], None],
    ) -> None:
        """takes_writes: whether the database does; nothing is removed while it does not
        forget_rows: called with the ids of removed files: what is kept of their rows in memory may go
        """
        self._file_stores = file_stores
        self._snapshots = snapshots
        self._newest_state = newest_state
        self._takes_writes = takes_writes
        self._forget_rows = forget_rows
        self._waiting: dict[str, ColdFile] = {}
        self._lock = threading.Lock()

    def add(self, files: Iterable[ColdFile]) -> None:
        """They are in no manifest any more."""
        with self._lock:
            self._waiting |= {file.address: file for file in files}

    def __len__(self) -> int:
        return len(self._waiting)

    def remove_unused(self) -> int:
        """Remove those that nobody reads, with what is kept of them in memory; how many. Raises StorageUnavailable."""
        if not self._waiting or not self._takes_writes() or self._snapshots.keeps_every_file:
            return 0
        with self._lock:
            named = set(live_files(self._newest_state())) | self._snapshots.paths_in_use()
            free = [file for address, file in self._waiting.items() if address not in named]
            for file in free:
                reach("retired.before_remove")
                if self._is_gone(file):
                    del self._waiting[file.address]
            self._forget_rows(frozenset(file.file_id for file in free))
        return len(free)

    def _is_gone(self, file: ColdFile) -> bool:
        """After this. A storage that can't be reached keeps it for now. Raises StorageUnavailable (the disk)."""
        try:
            self._file_stores.of(file).remove(file.path)
        except NotFound:  # the storage was dropped
            return True
        except StorageUnavailable:
            if file.storage == LOCAL:
                raise
            return False
        return True
