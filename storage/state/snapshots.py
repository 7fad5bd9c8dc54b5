"""SnapshotRegistry knows which states are still read: cold files stay on disk until no snapshot can need them.

A snapshot holds a state. A file that left the manifest may go once every open snapshot is of a later state. A pin holds
files without a state: all that there are, until it is told which.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from types import TracebackType

from storage.state.state import ColdFile, DatabaseState, PartitionState


class Snapshot:
    """One moment of the database. Close it (or let it go) so that files it names can be swept."""

    def __init__(self, state: DatabaseState, registry: SnapshotRegistry) -> None:
        self.state = state
        self._registry = registry
        self._fetched = [state.attached]

    @property
    def files(self) -> list[ColdFile]:
        """All that may be read with it."""
        attached = [partition for found in self._fetched for partition in found.copy().values()]
        return [file for partition in (*self.state.partitions.values(), *attached) for file in partition.cold]

    def reads_too(self, attached: dict[int, PartitionState]) -> None:
        """Users' partitions of a state that was made from this one, those too that it will fetch later."""
        self._fetched.append(attached)

    def close(self) -> None:
        self._registry.closed(self)

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FilePin:
    """Keeps cold files on disk while it is open: every one, then, once `narrow` was called, those that it was told."""

    def __init__(self, registry: SnapshotRegistry) -> None:
        self.paths: frozenset[str] | None = None  # None = every file
        self._registry = registry

    def narrow(self, paths: Iterable[str]) -> None:
        self.paths = frozenset(paths)

    def __enter__(self) -> FilePin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._registry.unpinned(self)


class SnapshotRegistry:
    """All open snapshots. Weak: a snapshot that was forgotten without `close` holds nothing for ever."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[Snapshot] = weakref.WeakSet()
        self._pins: set[FilePin] = set()
        self._lock = threading.Lock()

    def pin(self) -> FilePin:
        """Use it in a `with`."""
        pin = FilePin(self)
        with self._lock:
            self._pins.add(pin)
        return pin

    def unpinned(self, pin: FilePin) -> None:
        with self._lock:
            self._pins.discard(pin)

    @property
    def keeps_every_file(self) -> bool:
        """Whether no file at all may go now."""
        with self._lock:
            return any(pin.paths is None for pin in self._pins)

    def open(self, state: DatabaseState) -> Snapshot:
        snapshot = Snapshot(state, self)
        with self._lock:
            self._open.add(snapshot)
        return snapshot

    def closed(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._open.discard(snapshot)

    def paths_in_use(self) -> set[str]:
        """Addresses of the cold files that open snapshots and pins name."""
        with self._lock:
            snapshots = list(self._open)
            pinned: set[str] = set().union(*(pin.paths or () for pin in self._pins))
        return pinned | {file.address for snapshot in snapshots for file in snapshot.files}

    def oldest_seq(self) -> int | None:
        """`last_seq` of the oldest state that is still read; None when no snapshot is open."""
        with self._lock:
            snapshots = list(self._open)
        return min((snapshot.state.last_seq for snapshot in snapshots), default=None)

    def count(self) -> int:
        with self._lock:
            return len(self._open)
