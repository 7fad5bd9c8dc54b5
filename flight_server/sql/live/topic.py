"""Topic is one partition that live queries listen to, with the groups of them that select the same.

The committer's thread only appends to the backlog. The worker takes all of it at once: commits that came while it was
busy are worked out together, the old rows are looked up once, and each selection runs once for all its readers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from flight_server.sql.live.selection import Selection
from flight_server.sql.live.subscription import Subscription, Told
from storage.catalog.schema import TableDef
from storage.cold.file_store import FileStores
from storage.commit.deltas import Delta, deltas_of, is_small, merged
from storage.errors import FrostlineError, LimitExceeded
from storage.state.partition_change import PartitionChange

CHANGE_BYTES: Final = 1024  # what a waiting change costs beside its rows
ROWS_AT_ONCE: Final = 1 << 15


class Group:
    """Live queries with equal selections."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.subscriptions: tuple[Subscription, ...] = ()

    def tell(self, told: Told) -> int:
        """Returns how many were too slow."""
        return sum(subscription.put(told) for subscription in self.subscriptions)

    def end(self, error: FrostlineError) -> None:
        for subscription in self.subscriptions:
            subscription.end(error)


class Topic:
    """A listener of the change feed. `add` and `remove` under the owner's lock; `work` on the worker's thread."""

    def __init__(self, file_stores: FileStores, backlog_bytes_max: int, wake: Callable[[Topic], None]) -> None:
        self.groups: dict[object, Group] = {}
        self._file_stores = file_stores
        self._backlog_bytes_max = backlog_bytes_max
        self._wake = wake
        self._lock = threading.Lock()
        self._backlog: list[PartitionChange] = []
        self._backlog_bytes = 0
        self._lost: FrostlineError | None = None

    # --- the listener, on the committer's thread ----------------------------------------------------------------

    def on_change(self, change: PartitionChange) -> None:
        with self._lock:
            is_first = not self._backlog and self._lost is None
            self._backlog.append(change)
            self._backlog_bytes += CHANGE_BYTES + sum(batch.nbytes for batch in change.change.inserts)
            if self._backlog_bytes > self._backlog_bytes_max:
                self._lose(
                    LimitExceeded(
                        f"changes of table '{change.table.name}' came faster than live queries could be told of them "
                        "(live.backlog_bytes_max)",
                        sqlstate="53200",
                    )
                )
        if is_first:
            self._wake(self)

    def on_gap(self, reason: str) -> None:
        with self._lock:
            self._lose(FrostlineError(f"changes may be missing from here on: {reason}", sqlstate="58000"))
        self._wake(self)

    def _lose(self, error: FrostlineError) -> None:
        self._backlog, self._backlog_bytes, self._lost = [], 0, error

    # --- who listens --------------------------------------------------------------------------------------------

    def add(self, subscription: Subscription) -> None:
        selection = subscription.selection
        group = self.groups.setdefault(selection.key, Group(selection))
        group.subscriptions = (*group.subscriptions, subscription)

    def remove(self, subscription: Subscription) -> None:
        key = subscription.selection.key
        group = self.groups[key]
        group.subscriptions = tuple(other for other in group.subscriptions if other is not subscription)
        if not group.subscriptions:
            del self.groups[key]

    # --- the worker ---------------------------------------------------------------------------------------------

    def work(self, check: Callable[[], None]) -> int:
        """Tell of all that was heard. Returns how many live queries were too slow.

        check: ends those that may not go on; asked after the last change is taken, so that no change is newer
        """
        with self._lock:
            changes, self._backlog, self._backlog_bytes = self._backlog, [], 0
            lost, self._lost = self._lost, None
        check()
        groups = list(self.groups.values())
        if lost is not None:
            for group in groups:
                group.end(lost)
            return sum(len(group.subscriptions) for group in groups)
        return sum(self._tell(run, groups) for run in _runs(changes))

    def _tell(self, run: list[PartitionChange], groups: list[Group]) -> int:
        first, last = run[0].commit_seq, run[-1].rows_seq + run[-1].change.rows_inserted
        if not is_small(run[0]):
            return sum(group.tell(Told(run[0], first, last)) for group in groups)
        deltas: dict[int, Delta] = {}
        late = 0
        for group in groups:
            table = group.selection.table
            try:
                if table.version not in deltas:
                    deltas[table.version] = self._delta(run, table)
                rows = group.selection.changes(deltas[table.version])
            except FrostlineError as error:
                group.end(error)
                continue
            if rows.num_rows:
                late += group.tell(Told(rows, first, last))
        return late

    def _delta(self, run: list[PartitionChange], table: TableDef) -> Delta:
        return merged([delta for change in run for delta in deltas_of(self._file_stores, change, table)], table)


def _runs(changes: Iterable[PartitionChange]) -> Iterator[list[PartitionChange]]:
    """Neighbours together: small ones up to ROWS_AT_ONCE rows, a bulk load alone."""
    run: list[PartitionChange] = []
    rows = 0
    for change in changes:
        size = change.change.rows_inserted + change.change.rows_deleted
        if run and (rows + size > ROWS_AT_ONCE or not is_small(change) or not is_small(run[0])):
            yield run
            run, rows = [], 0
        run.append(change)
        rows += size
    if run:
        yield run
