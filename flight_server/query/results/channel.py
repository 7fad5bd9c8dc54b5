"""BatchChannel hands batches over from the loop thread to one reader's thread, a bounded number of bytes at a time.

The producer waits (without blocking the loop) while more than `bytes_max` lie unread; the reader waits on a
condition. Whatever ended it first stays: the end of the rows, an error, or a cancel.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from enum import StrEnum
from typing import Final

import pyarrow as pa

from storage.errors import FrostlineError

COALESCE_BYTES: Final = 256 << 10  # batches that wait are taken together up to here: a message costs ~50 us


class RunState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class BatchChannel:
    """`put` and `room` belong to the loop thread, all else to any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bytes_max: int) -> None:
        self._loop = loop
        self._bytes_max = bytes_max
        self._changed = threading.Condition()
        self._waiting: deque[pa.RecordBatch] = deque()
        self._waiting_bytes = 0
        self._drained = asyncio.Event()
        self._error: FrostlineError | None = None
        self.state = RunState.RUNNING

    def put(self, batch: pa.RecordBatch) -> None:
        """Hand over a batch; empty ones, and all after the end, are dropped."""
        with self._changed:
            if self.state is RunState.RUNNING and batch.num_rows:
                self._waiting.append(batch)
                self._waiting_bytes += batch.nbytes
                self._changed.notify_all()

    async def room(self) -> None:
        """Return once less than `bytes_max` lies unread."""
        while self._waiting_bytes >= self._bytes_max:
            self._drained.clear()
            # The reader may have drained it between the check and the clear: look again.
            if self._waiting_bytes >= self._bytes_max:
                await self._drained.wait()

    def end(self, state: RunState, error: FrostlineError | None = None) -> bool:
        """No more batches come. The reader gets what lies unread (nothing, when cancelled), then `error`.

        Returns: whether this call ended it.
        """
        with self._changed:
            if self.state is not RunState.RUNNING:
                return False
            self.state, self._error = state, error
            if state is RunState.CANCELLED:
                self._waiting.clear()
                self._waiting_bytes = 0
            self._changed.notify_all()
            return True

    def wait(self, seconds: float) -> bool:
        """Whether `take` would return at once, waiting at most so long."""
        with self._changed:
            return self._changed.wait_for(self._is_readable, timeout=seconds)

    def take(self) -> list[pa.RecordBatch] | None:
        """Wait for batches: at least one, more if they are small; None at the end. Raises the error it ended with."""
        with self._changed:
            self._changed.wait_for(self._is_readable)
            if not self._waiting:
                if self._error is not None:
                    raise self._error
                return None
            was_full = self._waiting_bytes >= self._bytes_max
            taken = self._pop()
            drained = was_full and self._waiting_bytes < self._bytes_max
        if drained:
            self._loop.call_soon_threadsafe(self._drained.set)
        return taken

    def _is_readable(self) -> bool:
        return bool(self._waiting) or self.state is not RunState.RUNNING

    def _pop(self) -> list[pa.RecordBatch]:
        taken: list[pa.RecordBatch] = []
        size = 0
        while self._waiting and (not taken or size + self._waiting[0].nbytes <= COALESCE_BYTES):
            batch = self._waiting.popleft()
            size += batch.nbytes
            taken.append(batch)
        self._waiting_bytes -= size
        return taken
