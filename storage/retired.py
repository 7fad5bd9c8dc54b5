"""Files that were replaced, and go as soon as no open snapshot names them. A restart leaves them to the sweep."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from storage.errors import NotFound, StorageUnavailable
from storage.failpoints import reach
from storage.recover import live_files
from storage.state import ColdFile
from storage.storages import LOCAL

if TYPE_CHECKING:
    from storage.engine import Engine


class RetiredFiles:
    """Safe from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
        if not self._waiting or self._engine.health != "ok" or self._engine.snapshots.keeps_every_file:
            return 0
        with self._lock:
            named = set(live_files(self._engine.state)) | self._engine.snapshots.paths_in_use()
            free = [file for address, file in self._waiting.items() if address not in named]
            for file in free:
                reach("retired.before_remove")
                if self._is_gone(file):
                    del self._waiting[file.address]
            self._engine.rows.forget(frozenset(file.file_id for file in free))
        return len(free)

    def _is_gone(self, file: ColdFile) -> bool:
        """After this. A storage that can't be reached keeps it for now. Raises StorageUnavailable (the disk)."""
        try:
            self._engine.places.of(file).remove(file.path)
        except NotFound:  # the storage was dropped
            return True
        except StorageUnavailable:
            if file.storage == LOCAL:
                raise
            return False
        return True
