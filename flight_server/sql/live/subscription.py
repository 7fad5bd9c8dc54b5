"""Subscription is one reader's end of a live query: a bounded queue from the worker to the writing thread.

The worker puts and goes on, always. A reader that lets more than `queue_bytes_max` wait is told so and ended: it may
go on from the last `_seq` that it was given. Whatever ends it first stays.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pyarrow as pa

from flight_server.sql.live.selection import Selection
from storage.catalog.catalog import Catalog
from storage.commit.change_feed import FeedPosition
from storage.errors import FrostlineError, LimitExceeded
from storage.seq import SEQ_MAX
from storage.state.partition_change import PartitionChange

ITEM_BYTES: Final = 2048  # what a batch costs beside its values
NOTHING_YET: Final = -1
NEWER_THAN_ALL: Final = SEQ_MAX  # nothing of it can be among the first rows


class LiveState(StrEnum):
    WAITING = "waiting"  # for its first fetch
    INITIAL = "initial"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Told:
    """Rows for the readers of one selection, or, of a bulk load, the change that each reader works out on its own.

    first_seq, last_seq: of the rows; of a bulk load the commit's
    """

    rows: pa.RecordBatch | PartitionChange
    first_seq: int
    last_seq: int

    @property
    def bytes(self) -> int:
        return ITEM_BYTES + (self.rows.nbytes if isinstance(self.rows, pa.RecordBatch) else 0)


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose it is and what it wants.

    check:     raises when the caller may not read on, by the newest catalog
    from_seq:  go on after this one; None = begin with rows
    last_rows: of the rows there are, only so many; None = all, 0 = none
    """

    user: str
    text: str
    check: Callable[[Catalog], None]
    from_seq: int | None
    last_rows: int | None
    batch_rows: int


class Subscription:
    """Safe from any thread; one reader."""

    def __init__(
        self,
        live_id: str,
        reader: Reader,
        selection: Selection,
        queue_bytes_max: int,
        started_ms: int,
        gone: Callable[[Subscription], None],
    ) -> None:
        """gone: called once, when it is over"""
        self.live_id = live_id
        self.reader = reader
        self.selection = selection
        self.started_ms = started_ms
        self.state = LiveState.WAITING
        self.rows = 0
        self.last_seq = NOTHING_YET if reader.from_seq is None else reader.from_seq
        self.listening: FeedPosition | None = None
        self.next_progress_seconds = 0.0
        self._queue_bytes_max = queue_bytes_max
        self._gone = gone
        self._waiting: deque[Told] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._error: FrostlineError | None = None

    def __repr__(self) -> str:
        return f"<Subscription {self.live_id} [{self.state}, {self.rows} rows, {len(self._waiting)} waiting]>"

    @property
    def is_over(self) -> bool:
        return self.state is LiveState.ENDED

    @property
    def waiting_bytes(self) -> int:
        return self._waiting_bytes

    def put(self, told: Told) -> bool:
        """Hand over; never waits. Returns whether the reader was too slow, and is ended."""
        with self._changed:
            if self.is_over or self._error is not None:
                return False
            is_late = self._waiting_bytes + told.bytes > self._queue_bytes_max and bool(self._waiting)
            if not is_late:
                self._waiting.append(told)
                self._waiting_bytes += told.bytes
                self._changed.notify_all()
        if is_late:
            self.end(
                LimitExceeded(
                    f"live query '{self.live_id}' was read too slowly: {self._queue_bytes_max} bytes of changes "
                    "(live.queue_bytes_max) waited for it; subscribe again with from_seq to go on",
                    sqlstate="53200",
                )
            )
        return is_late

    def put_progress(self, seq: int) -> None:
        """All up to `seq` is with the reader, or waits for it."""
        if self.state is LiveState.LIVE and not self._waiting:
            self.put(Told(self.selection.progress(seq), NEWER_THAN_ALL, NEWER_THAN_ALL))

    def take(self) -> list[Told]:
        """Wait for what was told, all of it at once. Raises what the live query ended with."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._error is not None)
            if self._error is not None:
                raise self.explained(self._error)
            taken = list(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            return taken

    def explained(self, error: FrostlineError) -> FrostlineError:
        """The error, with where to go on."""
        if self.last_seq == NOTHING_YET:
            return type(error)(f"{error.message}; no row was delivered yet", sqlstate=error.sqlstate)
        return type(error)(f"{error.message}; the last _seq delivered is {self.last_seq}", sqlstate=error.sqlstate)

    def end(self, error: FrostlineError) -> bool:
        """The reader gets `error` instead of what still waits for it; only the first end counts. Returns whether it is
        this one."""
        with self._changed:
            if self._error is not None:
                return False
            self._error = error
            self._waiting.clear()
            self._waiting_bytes = 0
            self._changed.notify_all()
        self.state = LiveState.ENDED
        self._gone(self)
        return True

    def raise_if_ended(self) -> None:
        if self._error is not None:
            raise self.explained(self._error)
