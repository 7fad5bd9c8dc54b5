"""PartitionLocks lets one flush, compaction or relocation of a partition run at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PartitionLocks:
    """Safe from any thread. A lock is kept only as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[int, tuple[threading.Lock, int]] = {}  # partition id -> lock, who holds it or waits

    def __len__(self) -> int:
        return len(self._locks)

    @contextmanager
    def held(self, partition_id: int) -> Iterator[None]:
        """Wait for the partition's lock and hold it. Not for a thread that holds it already."""
        lock = self._joined(partition_id)
        try:
            with lock:
                yield
        finally:
            self._left(partition_id)

    def _joined(self, partition_id: int) -> threading.Lock:
        with self._guard:
            lock, users = self._locks.get(partition_id) or (threading.Lock(), 0)
            self._locks[partition_id] = lock, users + 1
            return lock

    def _left(self, partition_id: int) -> None:
        with self._guard:
            lock, users = self._locks[partition_id]
            if users == 1:
                del self._locks[partition_id]
            else:
                self._locks[partition_id] = lock, users - 1
