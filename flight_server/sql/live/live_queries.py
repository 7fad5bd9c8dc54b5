"""LiveQueries holds all live queries, and the one thread that tells them what changed.

The worker wakes when a partition that is heard has changed, works that out once for each selection, and puts it into
the readers' queues. Between that it ends live queries whose reader may not read on or whose table is not what it was,
and puts progress rows. It waits for no reader, and no writer waits for it.

A progress row with a `_seq` says that all up to it was told. So the feed's `_seq` is read first, then all backlogs are
worked off, then the row is put: whatever was published up to it is in the queues before it.
"""

from __future__ import annotations

import itertools
import queue
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from flight_server.sql.live.selection import Selection
from flight_server.sql.live.settings import LiveSettings
from flight_server.sql.live.subscription import LiveState, Reader, Subscription
from flight_server.sql.live.topic import Topic
from storage.catalog.catalog import Catalog
from storage.catalog.schema import Column, TableDef
from storage.engine import Engine
from storage.errors import TOO_MANY, Cancelled, FrostlineError, LimitExceeded, NotFound
from storage.failpoints import reach_loop
from storage.loops import attempt, forever
from storage.state.state import DatabaseState

TICK_SECONDS_MAX: Final = 0.5


@dataclass(slots=True)
class LiveStats:
    """Since the server started. rows: of readers that are gone; slow: ended because they read slowly."""

    begun: int = 0
    rows: int = 0
    slow: int = 0


class LiveQueries:
    """Safe from any thread."""

    def __init__(self, engine: Engine, settings: LiveSettings) -> None:
        self.settings = settings
        self.figures = LiveStats()
        self._engine = engine
        self._lock = threading.Lock()
        self._topics: dict[int, Topic] = {}
        self._all: dict[str, Subscription] = {}
        self._of_user: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._prefix = f"LQ-{uuid.uuid4().hex[:8]}-"  # ids of an earlier run of the server mean nothing
        self._stopping: FrostlineError | None = None
        self._checked: Catalog = engine.state.catalog
        self._newest: Catalog = self._checked
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._tick_seconds = min(settings.progress_seconds / 4, TICK_SECONDS_MAX)
        self._next_tick_seconds = engine.clock.monotonic_seconds()
        self._thread = threading.Thread(target=self._run, name="frostline-live", daemon=True)
        self._thread.start()
        engine.committer.add_listener(self._see_catalog)

    def __repr__(self) -> str:
        return f"<LiveQueries [{len(self._all)} live, {len(self._topics)} partitions]>"

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Subscription]:
        with self._lock:
            return iter(list(self._all.values()))

    def get(self, live_id: str) -> Subscription | None:
        with self._lock:
            return self._all.get(live_id)

    def selection(self, partition_id: int, key: object) -> Selection | None:
        """The one with this key (see `key_of`), if somebody listens with it."""
        with self._lock:
            topic = self._topics.get(partition_id)
            group = None if topic is None else topic.groups.get(key)
            return None if group is None else group.selection

    def subscribe(self, reader: Reader, selection: Selection) -> Subscription:
        """Begin to listen: `listening` has the state that the first rows come from. Raises LimitExceeded, Cancelled."""
        subscription = self._entered(reader, selection)
        try:
            topic = self._topics[selection.table.partition_id]
            subscription.listening = self._engine.committer.listen(selection.table.partition_id, topic)
        except FrostlineError as error:
            subscription.end(error)
            raise
        if subscription.is_over:  # it was ended before it listened, so nobody ended that
            self._engine.feed.end(subscription.listening)
            subscription.raise_if_ended()
        self.figures.begun += 1
        return subscription

    def begin_progress(self, subscription: Subscription) -> None:
        """Its first rows are with the reader: from now on it is told how far it is."""
        subscription.state = LiveState.LIVE if not subscription.is_over else LiveState.ENDED
        subscription.next_progress_seconds = self._engine.clock.monotonic_seconds() + self.settings.progress_seconds

    def kill(self, subscription: Subscription) -> bool:
        """Whether there was something to end."""
        return subscription.end(Cancelled(f"live query '{subscription.live_id}' was killed (KILL LIVE QUERY)"))

    def end_all(self, error: FrostlineError) -> None:
        """At shutdown; no other begins afterwards."""
        with self._lock:
            self._stopping = error
        for subscription in self:
            subscription.end(error)

    def close(self) -> None:
        """End the worker."""
        self._work.put(None)
        self._thread.join(timeout=10)

    # --- coming and going -------------------------------------------------------------------------------------

    def _entered(self, reader: Reader, selection: Selection) -> Subscription:
        live_id = f"{self._prefix}{next(self._numbers)}"
        limit = self.settings.queue_bytes_max
        subscription = Subscription(live_id, reader, selection, limit, self._engine.clock.wall_ms(), self._left)
        with self._lock:
            self._check_room(reader.user)
            self._all[live_id] = subscription
            self._of_user[reader.user] += 1
            topic = self._topics.get(selection.table.partition_id)
            if topic is None:
                topic = Topic(self._engine.file_stores, self.settings.backlog_bytes_max, self._wake)
                self._topics[selection.table.partition_id] = topic
            topic.add(subscription)  # before it listens: nothing may be told to a group that it is not in yet
        return subscription

    def _check_room(self, user: str) -> None:
        if self._stopping is not None:
            raise self._stopping
        settings = self.settings
        if len(self._all) >= settings.subscriptions_max:
            limit = f"{settings.subscriptions_max} live queries run, which is the limit (live.subscriptions_max)"
        elif self._of_user[user] >= settings.subscriptions_per_user_max:
            limit = (
                f"{settings.subscriptions_per_user_max} live queries of user '{user}' run, which is the limit "
                "(live.subscriptions_per_user_max)"
            )
        else:
            return
        raise LimitExceeded(f"{limit}; end some of them or try again later", sqlstate=TOO_MANY)

    def _left(self, subscription: Subscription) -> None:
        partition_id = subscription.selection.table.partition_id
        with self._lock:
            del self._all[subscription.live_id]
            user = subscription.reader.user
            self._of_user[user] -= 1
            if not self._of_user[user]:
                del self._of_user[user]
            topic = self._topics[partition_id]
            topic.remove(subscription)
            if not topic.groups:
                del self._topics[partition_id]
        self.figures.rows += subscription.rows
        if subscription.listening is not None:
            self._engine.feed.end(subscription.listening)

    # --- the worker -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        forever("live_queries", self._step, self._failed)

    def _step(self) -> bool:
        """Returns whether to go on."""
        try:
            work = self._work.get(timeout=self._tick_seconds)
            if work is None:
                return False
            reach_loop("loop.live_queries")
            work()
        except queue.Empty:
            pass
        now_seconds = self._engine.clock.monotonic_seconds()
        if now_seconds >= self._next_tick_seconds:
            self._next_tick_seconds = now_seconds + self._tick_seconds
            self._tell_progress(now_seconds)
        return True

    def _failed(self, error: BaseException) -> None:
        """What was to be told, or looked at, is lost: nobody may wait for it, or read on unseen."""
        for subscription in self:
            attempt("live_queries", partial(subscription.end, _broken()))

    def _wake(self, topic: Topic) -> None:
        """On the committer's thread."""
        self._work.put(partial(self._tell, topic))

    def _tell(self, topic: Topic) -> None:
        try:
            self.figures.slow += topic.work(self._check_catalog)
        except Exception as error:
            structlog.get_logger().exception("live_queries_failed", exc_info=error)
            for group in list(topic.groups.values()):
                group.end(_broken())

    def _tell_progress(self, now_seconds: float) -> None:
        seq = self._engine.feed.told_seq
        due = [s for s in self if s.next_progress_seconds <= now_seconds and s.state is LiveState.LIVE]
        if not due:
            return
        with self._lock:
            topics = list(self._topics.values())
        for topic in topics:
            self._tell(topic)
        for subscription in due:
            subscription.next_progress_seconds = now_seconds + self.settings.progress_seconds
            subscription.put_progress(seq)

    def _see_catalog(self, state: DatabaseState) -> None:
        """On the committer's thread."""
        if state.catalog is not self._newest:
            self._newest = state.catalog
            self._work.put(self._check_catalog)

    def _check_catalog(self) -> None:
        newest = self._newest
        if newest is self._checked:
            return
        self._checked = newest
        for subscription in self:
            try:
                check_table(subscription.selection, newest)
                subscription.reader.check(newest)
            except FrostlineError as error:
                subscription.end(error)


def _broken() -> FrostlineError:
    return FrostlineError("the live query failed; subscribe again", sqlstate="XX000")


def check_table(selection: Selection, newest: Catalog) -> None:
    """Raises NotFound, InvalidRequest when the table is not what the live query was made for."""
    seen = selection.table
    now = newest.table_by_id(seen)
    if now.version == seen.version:
        return
    columns = {column.physical_name: column for column in now.columns}
    for column in seen.columns:
        if selection.uses(column.name):
            _check_column(seen, column, columns.get(column.physical_name))


def _check_column(table: TableDef, seen: Column, now: Column | None) -> None:
    if now is None:
        raise NotFound(f"column '{seen.name}' of table '{table.name}' was dropped; subscribe anew", sqlstate="42703")
    if now.type != seen.type:
        raise NotFound(
            f"column '{seen.name}' of table '{table.name}' has another type; subscribe anew", sqlstate="42804"
        )
