"""Checkpoints copies the row store at one moment between two commits, and freezes commits while that is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from storage.commit.committer import Committer
from storage.rowstore.row_store import RowStore
from storage.state.state import DatabaseState


class Checkpoints:
    """Safe from any thread.

    restart_wanted: why the server has to be restarted though its disk is well; "" = it has not
    """

    def __init__(self, store: RowStore, committer: Committer) -> None:
        self.restart_wanted = ""
        self._store = store
        self._committer = committer

    def checkpoint(self, to: Path) -> DatabaseState:
        """Make `to` a copy of the row store as it is between two commits, and say which state that is.

        Pin the cold files first. Raises StorageUnavailable, also while writes are refused.
        """

        def copy(state: DatabaseState) -> DatabaseState:
            self._store.check_writable()
            self._store.checkpoint(to)
            return state

        self._store.flush_memtables()
        return self._committer.between_commits(copy)

    def freeze(self, check: Callable[[DatabaseState], None], why: str) -> None:
        """Refuse every edit with `why` from now on, unless `check` raises on the state of now; then raise that."""
        self._committer.freeze(check, why)

    def thaw(self) -> None:
        """Take edits again after `freeze`."""
        self._committer.freeze(lambda _: None, None)

    def await_restart(self, why: str) -> None:
        """What is on disk is not what is served any more: refuse every edit until a restart, and say so in `health`."""
        self.restart_wanted = why
        self._committer.freeze(lambda _: None, f"{why}; restart it")
