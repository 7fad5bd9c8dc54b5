"""The eviction pace says when to look at which stream for events past their retention. Pure: times come in.

Each stream has a due time of its own; the earliest is at the top of a heap. A stream's pace is its `eviction_interval`,
or, without one, follows the rate at which its events come: about EVENTS_AT_ONCE leave by each job, within the bounds of
the settings. Reads hide such events anyway, so the pace is about memory and disk alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Final

from jobs.settings import JobSettings
from storage.catalog.table_options import TableOptions

EVENTS_AT_ONCE: Final = 20_000


def pace_seconds(options: TableOptions, events_per_second: float, settings: JobSettings) -> float:
    """From one look at a stream to the next."""
    if options.eviction_interval_seconds:
        return float(options.eviction_interval_seconds)
    if events_per_second <= 0:
        return settings.eviction_seconds_max
    fitting = EVENTS_AT_ONCE / events_per_second
    return max(min(fitting, settings.eviction_seconds_max), settings.eviction_seconds_min)


class DueTimes:
    """Table ids by the time at which they are due, on any rising clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._due: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, table_id: int) -> bool:
        return table_id in self._due

    def put(self, table_id: int, due_seconds: float) -> None:
        """From now on it is due then, and not when it was before."""
        self._due[table_id] = due_seconds
        heapq.heappush(self._heap, (due_seconds, table_id))

    def keep(self, table_ids: Mapping[int, object]) -> None:
        """Forget all others."""
        for table_id in self._due.keys() - table_ids.keys():
            del self._due[table_id]

    def taken(self, now_seconds: float) -> Iterator[int]:
        """Those that are due, the longest first; they are due no more."""
        while self._drop_stale() and self._heap[0][0] <= now_seconds:
            table_id = heapq.heappop(self._heap)[1]
            del self._due[table_id]
            yield table_id

    def next_seconds(self) -> float | None:
        """When the next one is due; None when none is there."""
        return self._heap[0][0] if self._drop_stale() else None

    def _drop_stale(self) -> bool:
        """Whether there is a top; entries that were put anew or forgotten are no more."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return bool(self._heap)


class Arrivals:
    """Events per second of each stream, between two looks at it."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, int]] = {}

    def rate(self, table_id: int, arrived: int, now_seconds: float) -> float:
        """Since the last call for this stream; 0 at the first. `arrived`: how many ever came."""
        then_seconds, before = self._seen.get(table_id, (now_seconds, arrived))
        self._seen[table_id] = now_seconds, arrived
        passed = now_seconds - then_seconds
        return max(arrived - before, 0) / passed if passed > 0 else 0.0

    def keep(self, table_ids: Mapping[int, object]) -> None:
        """Forget all others."""
        for table_id in self._seen.keys() - table_ids.keys():
            del self._seen[table_id]
