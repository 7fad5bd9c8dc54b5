"""WriteBackpressure makes writers wait while hot rows, or the events of streams, fill their limit in memory.

Writers wait while there is none, and not for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from storage.catalog.schema import TableKind
from storage.clock import Clock
from storage.errors import Cancelled, LimitExceeded
from storage.settings import StorageSettings
from storage.state.state import DatabaseState

POLL_SECONDS: Final = 0.1


def full_of(state: DatabaseState, settings: StorageSettings, kind: TableKind, trouble: str = "") -> str | None:
    """Why a table of this kind can take no more rows for now; None when it can. trouble: why the last flush failed"""
    hot_bytes = state.hot_bytes
    if hot_bytes < min(settings.hot_bytes_max, settings.stream_bytes_max):
        return None
    stream_bytes = state.stream_bytes
    if kind is TableKind.STREAM:
        if stream_bytes < settings.stream_bytes_max:
            return None
        return (
            "the events of all stream tables fill their limit (storage.stream_bytes_max); set a shorter retention or a "
            "smaller max_buffer for the largest of them (system.tables has hot_bytes), or try again later"
        )
    if hot_bytes - stream_bytes < settings.hot_bytes_max:
        return None
    why = f"can't be flushed ({trouble})" if trouble else "flushing can't keep up"
    return f"hot rows fill their limit (storage.hot_bytes_max) and {why}; try again later"


class WriteBackpressure:
    """Safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self.waiting = 0  # writers, about

    def wait(self, full: Callable[[], str | None], cancelled: Callable[[], bool], seconds_max: float) -> None:
        """Until `full` has no reason any more. Raises LimitExceeded with the reason, Cancelled."""
        if full() is None:
            return
        deadline = self._clock.monotonic_seconds() + seconds_max
        with self._changed:
            self.waiting += 1
            try:
                while (reason := full()) is not None:
                    self._wait_a_while(deadline, reason, cancelled)
            finally:
                self.waiting -= 1

    def tell_waiting(self) -> None:
        """There may be room now."""
        with self._changed:
            self._changed.notify_all()

    def _wait_a_while(self, deadline: float, reason: str, cancelled: Callable[[], bool]) -> None:
        if cancelled():
            raise Cancelled("the write was cancelled while it waited for room")
        if self._clock.monotonic_seconds() >= deadline:
            raise LimitExceeded(reason)
        self._changed.wait(POLL_SECONDS)
