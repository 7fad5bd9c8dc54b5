"""Counters count what the server has done since it started, for `system.stats` and the metrics page.

A new one is a `Count` and an `add` where it happens; those of storage are below. Numbers only rise; what rises and
falls is looked up when asked for, and is none of this.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Count:
    """One thing that is counted.

    name:  unique, lower case, units last
    means: one sentence for people
    label: what its numbers are told apart by ("" = there is one number). Few values, none of them from a user
    """

    name: str
    means: str
    label: str = ""


COMMITS: Final = Count("commits", "Edits committed")
GROUPS: Final = Count("commit_groups", "Groups of edits that were written together")
SYNCS: Final = Count("log_syncs", "Syncs of the row store's log, waited for by commits")
REFUSED: Final = Count("commits_refused", "Edits refused: conflicts, constraints, names taken")
ROWS_INSERTED: Final = Count("rows_inserted", "Row versions inserted")
ROWS_DELETED: Final = Count("rows_deleted", "Row versions deleted or replaced")
ROWS_FLUSHED: Final = Count("rows_flushed", "Row versions moved from hot to cold")
EVENTS_EVICTED: Final = Count("events_evicted", "Events that left their stream, by age or for want of room")
EVENTS_DISCARDED: Final = Count("events_discarded", "Events of ephemeral streams that nobody listened to")
S3_CALLS: Final = Count(
    "s3_calls", "Requests to S3, tries again too, but not what the query engine reads itself", "call"
)
S3_ERRORS: Final = Count("s3_errors", "Requests to S3 that got no answer, or one that tells of a failure", "call")
EVERY: Final = (
    *(COMMITS, GROUPS, SYNCS, REFUSED, ROWS_INSERTED, ROWS_DELETED, ROWS_FLUSHED),
    *(EVENTS_EVICTED, EVENTS_DISCARDED),
    *(S3_CALLS, S3_ERRORS),
)


class Counters:
    """Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Count, dict[str, int]] = {count: ({} if count.label else {"": 0}) for count in EVERY}

    def declare(self, *counts: Count) -> None:
        """Show these from the start; those above are declared."""
        with self._lock:
            for count in counts:
                self._numbers.setdefault(count, {} if count.label else {"": 0})

    def add(self, count: Count, by: int = 1, label: str = "") -> None:
        """`label`: the value of `count.label`, if it has one."""
        assert bool(label) == bool(count.label), f"{count.name} is counted by {count.label or 'nothing'}"
        with self._lock:
            numbers = self._numbers.setdefault(count, {})
            numbers[label] = numbers.get(label, 0) + by

    def add_all(self, numbers: Mapping[Count, int]) -> None:
        """To several that have no label, at one moment."""
        with self._lock:
            for count, by in numbers.items():
                self._numbers[count][""] += by

    def now(self) -> Mapping[Count, Mapping[str, int]]:
        """Of one moment: count -> label's value ("" without one) -> number."""
        with self._lock:
            return {count: dict(numbers) for count, numbers in self._numbers.items()}
