"""ResultCache keeps the rows of statements that come again while nothing that they read has changed.

What is kept is exact: it is given only to the same text of the same caller, over the very same tables, partitions and
views. Rights and cold files are looked at each time, when the statement is planned.
"""

from __future__ import annotations

import re
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from weakref import ref

import pyarrow as pa

from flight_server.query.results.recording import Recording
from flight_server.query.scan.dependencies import Dependencies
from storage.catalog.schema import TableDef, ViewDef
from storage.state.state import PartitionState

OVERHEAD_BYTES: Final = 2048  # of a result, besides its values and its text: Arrow's own objects, what it stands on
RESULT_SHARE: Final = 8  # a result may take one part in so many of the cache
# The engine's functions that give something else each time, or with the clock, as its plans show them.
CHANGING_FUNCTIONS: Final = (
    "current_date",
    "current_time",
    "file_row_index",
    "input_file_name",
    "now",
    "random",
    "uuid",
)
_PLANS: Final = ("Explain", "Analyze")
_CHANGES: Final = re.compile(rf"\b(?:{'|'.join(CHANGING_FUNCTIONS)})\(", re.ASCII)


def is_repeatable(shown: str, touched: Dependencies) -> bool:
    """Whether a plan, as indented text, gives the same rows as long as what it reads is the same. Of rows that were
    found by their key nothing is known."""
    return not (touched.only or touched.passing or shown.startswith(_PLANS) or _CHANGES.search(shown))


@dataclass(frozen=True, slots=True)
class _Standing:
    """What rows were computed from. Partitions are not held: what they have in memory is theirs."""

    tables: tuple[TableDef, ...]
    views: tuple[ViewDef, ...]
    partitions: tuple[ref[PartitionState], ...]

    @classmethod
    def of(cls, touched: Dependencies, gone: Callable[[ref[PartitionState]], None]) -> _Standing:
        """gone: is called when one of the partitions is in nobody's hands any more"""
        partitions = tuple(ref(partition, gone) for _, partition in touched.stored)
        return cls(tuple(table for table, _ in touched.stored), tuple(touched.views), partitions)

    @property
    def is_past(self) -> bool:
        """Nobody can read that moment any more."""
        return any(partition() is None for partition in self.partitions)

    def holds(self, touched: Dependencies) -> bool:
        """Whether a plan reads the very same."""
        return (
            _are_same(self.tables, [table for table, _ in touched.stored])
            and _are_same(self.views, touched.views)
            and _are_same([one() for one in self.partitions], [partition for _, partition in touched.stored])
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    standing: _Standing
    messages: tuple[pa.RecordBatch, ...]
    bytes: int


class ResultCache:
    """The results used last, up to a limit in bytes. Safe from any thread. The key None is of what is not kept."""

    def __init__(self, bytes_max: int) -> None:
        """bytes_max: 0 = nothing is kept"""
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._past: deque[Hashable] = deque()  # keys whose results may be of the past; filled by the garbage collector
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, touched: Dependencies) -> tuple[pa.RecordBatch, ...] | None:
        """The messages of the result, if it is of this moment."""
        if key is None:
            return None
        with self._lock:
            self._forget_past()
            found = self._kept.get(key)
            if found is not None and found.standing.holds(touched):
                self._kept.move_to_end(key)
                self.hits += 1
                return found.messages
            self.misses += 1
            if found is not None:
                self._forget(key)
            return None

    def recording(self, key: Hashable, touched: Dependencies) -> Recording | None:
        """Takes a result's messages as they are sent, and keeps them at their end."""
        return None if key is None else Recording(self._bytes_max // RESULT_SHARE, partial(self.keep, key, touched))

    def keep(self, key: Hashable, touched: Dependencies, messages: Sequence[pa.RecordBatch]) -> None:
        """Unless they are large, or the text is. touched: what was read"""
        size = _bytes_in_memory(key, messages)
        if key is None or size > self._bytes_max // RESULT_SHARE:
            return
        standing = _Standing.of(touched, lambda _: self._past.append(key))
        with self._lock:
            self._forget_past()
            if key in self._kept:
                self._forget(key)
            self._kept[key] = _Kept(standing, tuple(messages), size)
            self.bytes += size
            while self.bytes > self._bytes_max:
                self._forget(next(iter(self._kept)))

    def _forget_past(self) -> None:
        """What of a table was kept goes as soon as the table has changed: no other text makes room for it."""
        while self._past:
            key = self._past.popleft()
            if key in self._kept and self._kept[key].standing.is_past:
                self._forget(key)

    def _forget(self, key: Hashable) -> None:
        self.bytes -= self._kept.pop(key).bytes


def _bytes_in_memory(key: Hashable, messages: Sequence[pa.RecordBatch]) -> int:
    """With the text, which is in the key. A slice holds all that it was cut from."""
    texts = sum(sys.getsizeof(part) for part in key if isinstance(part, str)) if isinstance(key, tuple) else 0
    rows = pa.Table.from_batches(messages).get_total_buffer_size() if messages else 0
    return int(rows) + texts + OVERHEAD_BYTES


def _are_same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))
