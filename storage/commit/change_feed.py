"""ChangeFeed tells listeners of a partition what each commit changed there.

The committer's thread orders everything. Listening begins between two groups of edits, with the state of that very
moment: what is in it comes from there, what comes after it is handed over, nothing twice and nothing never. After each
published group every change of a partition that somebody hears is handed to its hearers, in the order of `_seq`.

Rules: a hearer takes its change and returns, whatever it costs is paid on its own thread; what it raises is logged,
and it loses the rest: a gap is told, never passed over.
Only changes of rows are told: a flush, a compaction or an eviction moves or removes what was told before.
A change holds no rows of its own: it names the edit, and the states that its old rows and its files are read from.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Protocol

import structlog

from storage.loops import attempt
from storage.state.partition_change import PartitionChange
from storage.state.snapshots import Snapshot, SnapshotRegistry
from storage.state.state import DatabaseState


class ChangeListener(Protocol):
    """Told on the committer's thread, so it must return at once."""

    def hear(self, change: PartitionChange) -> None:
        """A change of the partition, each one once and in order."""

    def lose(self, reason: str) -> None:
        """From here on changes are missing: what comes next does not join on to what was told."""


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """A hearer's place in the feed. It hears all that came after `seq`, and nothing else.

    snapshot: the state that it began with; close it when its rows have been read
    """

    partition_id: int
    hearer: ChangeListener
    seq: int
    snapshot: Snapshot


class ChangeFeed:
    """All hearers. `is_heard` and what publishes belong to the committer's thread, the rest to any."""

    def __init__(self, snapshots: SnapshotRegistry) -> None:
        self._snapshots = snapshots
        self._lock = threading.Lock()
        self._heard: Mapping[int, Mapping[ChangeListener, int]] = MappingProxyType({})  # how many listen by each hearer
        self.told_seq = 0

    def __repr__(self) -> str:
        return f"<ChangeFeed [{len(self._heard)} partitions heard]>"

    def is_heard(self, partition_id: int) -> bool:
        """Whether anybody would be told of a change of it. On the committer's thread this is no guess."""
        return partition_id in self._heard

    def begin(self, partition_id: int, hearer: ChangeListener, state: DatabaseState) -> FeedPosition:
        """On the committer's thread, `state` being the newest one. A hearer that listens already is told once still."""
        snapshot = self._snapshots.open(state)
        with self._lock:
            hearers = self._heard.get(partition_id, {})
            self._set(partition_id, {**hearers, hearer: hearers.get(hearer, 0) + 1})
        self.told_seq = max(self.told_seq, state.last_seq)
        return FeedPosition(partition_id, hearer, state.last_seq, snapshot)

    def end(self, listening: FeedPosition) -> None:
        """To be called once for each `begin`. A change on its way may still be told."""
        listening.snapshot.close()
        with self._lock:
            hearers = dict(self._heard[listening.partition_id])
            hearers[listening.hearer] -= 1
            if not hearers[listening.hearer]:
                del hearers[listening.hearer]
            self._set(listening.partition_id, hearers)

    def hold(self, changes: Iterable[PartitionChange], state: DatabaseState) -> list[PartitionChange]:
        """The changes that somebody hears, with what keeps their files. Called before they are published on `state`."""
        return [self._held(change, state) for change in changes if self.is_heard(change.partition_id)]

    def tell(self, changes: Sequence[PartitionChange], state: DatabaseState) -> None:
        """Hand over what `hold` gave, once `state` is published."""
        for change in changes:
            for hearer in self._heard.get(change.partition_id, {}):
                try:
                    hearer.hear(change)
                except Exception:
                    structlog.get_logger().exception("change_not_heard", partition=change.partition_id)
                    attempt("change_feed", partial(hearer.lose, "one of them could not be told"))
        self.told_seq = state.last_seq

    def break_off(self, reason: str) -> None:
        """The state was replaced by one that commits did not lead to."""
        for hearer in {hearer for hearers in self._heard.values() for hearer in hearers}:
            hearer.lose(reason)

    def _held(self, change: PartitionChange, state: DatabaseState) -> PartitionChange:
        deletes = change.change.deletes
        if not change.change.staged and (not change.before.cold or deletes is None or not len(deletes)):
            return change  # all of its rows are in memory
        # Every file of `before` is one of `after`, and on disk until the next state is published.
        only = MappingProxyType({change.partition_id: change.after})
        snapshot = self._snapshots.open(DatabaseState(partitions=only, last_seq=state.last_seq))
        return replace(change, held=snapshot)

    def _set(self, partition_id: int, hearers: Mapping[ChangeListener, int]) -> None:
        heard = {**self._heard, partition_id: MappingProxyType(dict(hearers))}
        if not hearers:
            del heard[partition_id]
        self._heard = MappingProxyType(heard)
