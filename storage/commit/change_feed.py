"""ChangeFeed tells listeners of a partition what each commit changed there.

The committer's thread orders everything. Listening begins between two groups of edits, with the state of that very
moment: what is in it comes from there, what comes after it is handed over, nothing twice and nothing never. After each
published group every change of a partition with listeners is handed to them, in the order of `_seq`.

Rules: a listener takes its change and returns, whatever it costs is paid on its own thread; what it raises is logged,
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

    def on_change(self, change: PartitionChange) -> None:
        """A change of the partition, each one once and in order."""

    def on_gap(self, reason: str) -> None:
        """From here on changes are missing: what comes next does not join on to what was told."""


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """A listener's place in the feed. It is told of all that came after `seq`, and nothing else.

    snapshot: the state that it began with; close it when its rows have been read
    """

    partition_id: int
    listener: ChangeListener
    seq: int
    snapshot: Snapshot


class ChangeFeed:
    """All listeners. `has_listener` and what publishes belong to the committer's thread, the rest to any."""

    def __init__(self, snapshots: SnapshotRegistry) -> None:
        self._snapshots = snapshots
        self._lock = threading.Lock()
        # Of each partition; how often each is registered.
        self._listeners: Mapping[int, Mapping[ChangeListener, int]] = MappingProxyType({})
        self.told_seq = 0

    def __repr__(self) -> str:
        return f"<ChangeFeed [{len(self._listeners)} partitions with listeners]>"

    def has_listener(self, partition_id: int) -> bool:
        """Whether anybody would be told of a change of it. On the committer's thread this is no guess."""
        return partition_id in self._listeners

    def begin(self, partition_id: int, listener: ChangeListener, state: DatabaseState) -> FeedPosition:
        """On the committer's thread, `state` being the newest one. A listener that is registered twice still gets each
        change once."""
        snapshot = self._snapshots.open(state)
        with self._lock:
            listeners = self._listeners.get(partition_id, {})
            self._set(partition_id, {**listeners, listener: listeners.get(listener, 0) + 1})
        self.told_seq = max(self.told_seq, state.last_seq)
        return FeedPosition(partition_id, listener, state.last_seq, snapshot)

    def end(self, position: FeedPosition) -> None:
        """To be called once for each `begin`. A change on its way may still be told."""
        position.snapshot.close()
        with self._lock:
            listeners = dict(self._listeners[position.partition_id])
            listeners[position.listener] -= 1
            if not listeners[position.listener]:
                del listeners[position.listener]
            self._set(position.partition_id, listeners)

    def hold(self, changes: Iterable[PartitionChange], state: DatabaseState) -> list[PartitionChange]:
        """The changes of partitions with listeners, with what keeps their files. Called before `state` is replaced."""
        return [self._held(change, state) for change in changes if self.has_listener(change.partition_id)]

    def tell(self, changes: Sequence[PartitionChange], state: DatabaseState) -> None:
        """Hand over what `hold` gave, once `state` is published."""
        for change in changes:
            for listener in self._listeners.get(change.partition_id, {}):
                try:
                    listener.on_change(change)
                except Exception:
                    structlog.get_logger().exception("change_not_heard", partition=change.partition_id)
                    attempt("change_feed", partial(listener.on_gap, "one of them could not be told"))
        self.told_seq = state.last_seq

    def break_off(self, reason: str) -> None:
        """The state was replaced by one that commits did not lead to."""
        for listener in {listener for listeners in self._listeners.values() for listener in listeners}:
            listener.on_gap(reason)

    def _held(self, change: PartitionChange, state: DatabaseState) -> PartitionChange:
        deletes = change.change.deletes
        if not change.change.staged and (not change.before.cold or deletes is None or not len(deletes)):
            return change  # all of its rows are in memory
        # Every file of `before` is one of `after`, and on disk until the next state is published.
        only = MappingProxyType({change.partition_id: change.after})
        snapshot = self._snapshots.open(DatabaseState(partitions=only, last_seq=state.last_seq))
        return replace(change, held=snapshot)

    def _set(self, partition_id: int, listeners: Mapping[ChangeListener, int]) -> None:
        all_listeners = {**self._listeners, partition_id: MappingProxyType(dict(listeners))}
        if not listeners:
            del all_listeners[partition_id]
        self._listeners = MappingProxyType(all_listeners)
