"""Committer is the one thread that changes the database, by group commit.

It takes everything that waits, lets a `Group` check each edit, writes the group as one atomic batch with one sync,
publishes the new state, and only then answers. Between two groups it may reserve primary keys for a bulk load.

Guarantees: `commit` returns after the edit is durable (or, for `durable=False`, after it is written and visible);
readers never wait; edits are published in the order of their `_seq`s. After a failed write every later one is refused,
since nobody can know what the disk holds: until a restart, or, if the disk was just full, until there is room again and
the disk has been read anew (see `reopen_after_full_disk`). So it is after anything else that goes wrong here: whoever
waits is answered, reads go on, and `health` tells it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from storage.catalog.partition_ids import is_owned, table_of_partition
from storage.clock import Clock
from storage.commit.change_feed import ChangeFeed, ChangeListener, FeedPosition
from storage.commit.reopen_after_full_disk import reopen_after_full_disk
from storage.commit.user_partitions import UserPartitions
from storage.commit.work import Listen, LoadPartition, ReadBetweenCommits, Task, UnloadPartitions, Work
from storage.counters import (
    COMMITS,
    EVENTS_DISCARDED,
    EVENTS_EVICTED,
    GROUPS,
    REFUSED,
    ROWS_DELETED,
    ROWS_INSERTED,
    SYNCS,
    Counters,
)
from storage.database_time import DatabaseTime
from storage.errors import FrostlineError, StorageUnavailable
from storage.failpoints import reach, reach_loop
from storage.group_commit.group import Group
from storage.loops import forever
from storage.primary_keys.index import KeyIndex
from storage.primary_keys.reservations import KeyReservation, UnseenReservation, reserve_keys, reserve_unseen
from storage.rowstore.row_store import RowStore
from storage.state.edits import Committed, Edit
from storage.state.state import DatabaseState, PartitionState

Listener = Callable[[DatabaseState], None]
T = TypeVar("T")
LOOK_SECONDS: Final = 1.0  # between two looks whether a full disk has room again; half of it when writes come in


class Committer:
    """Owns the newest `state`."""

    def __init__(
        self,
        store: RowStore,
        index: KeyIndex,
        state: DatabaseState,
        user_partitions: UserPartitions,
        clock: Clock,
        time: DatabaseTime,
        group_edits_max: int,
        resolve_unknown: Callable[[Edit], None],
        feed: ChangeFeed,
        counters: Counters,
    ) -> None:
        """resolve_unknown: called after a full disk, once writes are accepted, with each edit of unknown outcome"""
        self.state = state
        self._store = store
        self._index = index
        self._user_partitions = user_partitions
        self._clock = clock
        self._time = time
        self._group_edits_max = group_edits_max
        self._queue: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._listeners: list[Listener] = []
        self._unknown: DatabaseState | None = None  # the state, if the write that failed is on disk
        self._unsettled: list[Edit] = []  # edits with files that got no certain answer
        self._resolve_unknown = resolve_unknown
        self._feed = feed
        self._counters = counters
        self._next_look_seconds = 0.0
        self._begun = self._published = 0  # groups; while they differ, more may be on disk than `state` shows
        self._frozen: str | None = None  # why edits are refused, though the disk is well
        self._closed = False
        self._at_work: list[Task | None] = []  # taken from the queue
        self._closing = threading.Lock()  # nothing may enter the queue behind its end, where nobody would answer it
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Edits and reservations that wait for the next group. About: it is read while it changes."""
        return self._queue.qsize()

    def settled(self, state: DatabaseState) -> int | None:
        """A number that stays the same as long as the disk holds what `state` shows and nothing else is on its way to
        it; None when that is not so. From any thread."""
        begun = self._begun
        return begun if self._published == begun and self.state is state else None

    def commit(self, edit: Edit) -> Committed:
        """Block until the edit is committed or refused."""
        committed: Committed = self._submit(edit)
        return committed

    def reserve_keys(self, reservation: KeyReservation) -> list[tuple[bytes, int]]:
        """Enter a chunk of a bulk load's keys. Returns those that must wait for the load's own edit."""
        late: list[tuple[bytes, int]] = self._submit(reservation)
        return late

    def reserve_unseen(self, reservation: UnseenReservation) -> bool:
        """Reserve keys without looking them up. False: the table is not empty, so each key must be checked."""
        entered: bool = self._submit(reservation)
        return entered

    def listen(self, partition_id: int, listener: ChangeListener) -> FeedPosition:
        """Begin to tell `listener` of a partition's changes, between two groups; see `change_feed`."""
        listening: FeedPosition = self._submit(Listen(partition_id, listener))
        return listening

    def partition(self, partition_id: int) -> PartitionState:
        """A user's partition as it is now, in memory from now on. Raises Corruption."""
        if threading.current_thread() is self._thread:
            return self._loaded(partition_id)
        found: PartitionState = self._submit(LoadPartition(partition_id))
        return found

    def unload(self, choose: Callable[[DatabaseState], list[int]]) -> int:
        """Let users' partitions go from memory; returns how many went."""
        unloaded: int = self._submit(UnloadPartitions(choose))
        return unloaded

    def between_commits(self, look: Callable[[DatabaseState], T]) -> T:
        """Run `look` on the committer thread; commits wait for it, so it must be quick. Raises what it raises."""
        seen: T = self._submit(ReadBetweenCommits(look))
        return seen

    def freeze(self, check: Callable[[DatabaseState], None], why: str | None) -> None:
        """From now on refuse every edit with `why`, or none of them, unless `check` raises on the state of now."""

        def freeze(state: DatabaseState) -> None:
            check(state)
            self._frozen = why

        self.between_commits(freeze)

    def add_listener(self, listener: Listener) -> None:
        """Called on the committer thread after each publish; must be quick. What it raises is logged."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Finish what waits, then end the thread. Later commits are refused."""
        with self._closing:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _submit(self, work: Work) -> Any:
        task = Task(work, Future())
        with self._closing:
            if self._closed:
                raise StorageUnavailable("the server is shutting down; nothing was stored", sqlstate="57P01")
            self._queue.put(task)
        return task.future.result()

    def _run(self) -> None:
        forever("committer", self._step, self._failed)

    def _step(self) -> bool:
        """Work off what waits, and a little of what comes meanwhile. Returns whether to go on."""
        self._at_work = []
        try:
            self._at_work.append(self._queue.get(timeout=LOOK_SECONDS))
        except queue.Empty:
            self._reopen_if_full()
            return True
        if self._at_work == [None]:
            return False
        self._reopen_if_full()
        self._take_waiting()
        reach_loop("loop.committer")
        self._run_group([task for task in self._at_work if task is not None])
        return None not in self._at_work

    def _failed(self, error: BaseException) -> None:
        """Between what is on disk and what is published nobody knows more: no write is taken till a restart."""
        self._store.refuse_writes("the committer failed")
        for task in self._at_work:
            if task is None:
                self._queue.put(None)  # the end was asked for, and comes all the same
            elif not task.future.done():
                task.future.set_exception(
                    StorageUnavailable("the committer failed; a restart tells whether the change was stored")
                )

    def _reopen_if_full(self) -> None:
        """After the disk was full: take writes again as soon as there is room."""
        now = self._clock.monotonic_seconds()
        if not self._store.is_full or now < self._next_look_seconds:
            return
        self._next_look_seconds = now + LOOK_SECONDS / 2
        if not self._store.has_room():
            return
        log = structlog.get_logger()
        try:
            self.state = reopen_after_full_disk(
                self._store, self._index, self.state, self._unknown, self._user_partitions.load
            )
        except StorageUnavailable as error:
            log.warning("row_store_still_refuses", error=error.message)
            return
        except Exception as error:
            self._store.refuse_writes(
                error.message if isinstance(error, FrostlineError) else "it could not be read anew"
            )
            log.exception("row_store_not_mended")
            return
        self._store.accept_writes()  # after the state is there: who sees that all is well must find it
        unsettled, self._unsettled, self._unknown = self._unsettled, [], None
        for edit in unsettled:
            self._resolve_unknown(edit)
        log.info("row_store_mended", reason="the disk has room again")
        self._feed.break_off("the disk was full, and what was being written then may have been stored")
        self._tell(self.state)

    def _take_waiting(self) -> None:
        while len(self._at_work) <= self._group_edits_max:
            try:
                self._at_work.append(self._queue.get_nowait())
            except queue.Empty:
                break

    def _run_group(self, work: list[Task]) -> None:
        """Order: key reservations and new listeners, then all edits as one group, then callbacks that only read."""
        for task in work:
            if isinstance(task.work, KeyReservation):
                _answer(task.future, partial(reserve_keys, task.work, self._store, self._index))
            if isinstance(task.work, LoadPartition):
                _answer(task.future, partial(self._loaded, task.work.partition_id))
            if isinstance(task.work, UnloadPartitions):
                _answer(task.future, partial(self._unload, task.work.choose))
            if isinstance(task.work, UnseenReservation):
                partition = self.state.partition(task.work.partition_id)
                _answer(task.future, partial(reserve_unseen, task.work, partition, self._store, self._index))
            if isinstance(task.work, Listen):
                _answer(task.future, partial(self._listening, task.work))
        edits = [task for task in work if isinstance(task.work, Edit)]
        if edits:
            self._commit_group(edits)
        for task in work:
            if isinstance(task.work, ReadBetweenCommits):
                _answer(task.future, partial(task.work.look, self.state))

    def _commit_group(self, tasks: list[Task]) -> None:
        brought: list[PartitionState] = []
        try:
            self._commit_edits(tasks, brought)
        finally:
            self._keep(brought)

    def _commit_edits(self, tasks: list[Task], brought: list[PartitionState]) -> None:
        """brought: is told of users' partitions that were read for an edit"""

        def load(state: DatabaseState, partition_id: int) -> PartitionState:
            brought.append(self._load(state, partition_id))
            return brought[-1]

        self._begun += 1  # before anything is written, so that whoever looks at the disk can tell
        now, settled = self._time.both()
        group = Group(self.state, self._index, now.database_ms, load, self._feed.has_listener, settled)
        accepted: list[tuple[Task, Committed]] = []
        for task in tasks:
            try:
                self._check_thawed()
                accepted.append((task, group.add(task.work)))  # type: ignore[arg-type]
            except BaseException as error:
                task.future.set_exception(_shown(error))
        if len(tasks) > len(accepted):
            self._counters.add(REFUSED, len(tasks) - len(accepted))
        try:
            reach("commit.before_write")
            if group.operations:  # none, if all that came were events that nobody listens to
                self._store.write(group.operations, durable=group.durable)
        except BaseException as error:
            # Only the first write that fails can be on disk: the later ones are refused before they are begun.
            self._unknown = self._unknown or group.state
            self._unsettled += [task.work for task, _ in accepted if isinstance(task.work, Edit) and task.work.files]
            for task, _ in accepted:
                task.future.set_exception(_shown(error))
            return
        reach("commit.before_publish")
        self._unknown = None
        self._count([committed for _, committed in accepted], durable=group.durable)
        self._publish(group)
        for task, committed in accepted:
            task.future.set_result(committed)

    def _count(self, made: list[Committed], *, durable: bool) -> None:
        self._counters.add_all(
            {
                COMMITS: len(made),
                GROUPS: bool(made),
                SYNCS: durable,
                ROWS_INSERTED: sum(committed.inserted for committed in made),
                ROWS_DELETED: sum(committed.deleted for committed in made),
                EVENTS_EVICTED: sum(committed.evicted for committed in made),
                EVENTS_DISCARDED: sum(committed.discarded for committed in made),
            }
        )

    def _listening(self, work: Listen) -> FeedPosition:
        if is_owned(work.partition_id):
            self._loaded(work.partition_id)
        return self._feed.begin(work.partition_id, work.listener, self.state)

    def _loaded(self, partition_id: int) -> PartitionState:
        found = self.state.partitions.get(partition_id)
        if found is None:
            found = self._load(self.state, partition_id)
            self.state = self.state.with_partition(found)
            self._unload(partial(self._user_partitions.over_limit, but=partition_id))
        return found

    def _load(self, state: DatabaseState, partition_id: int) -> PartitionState:
        table = state.catalog.tables_by_id.get(table_of_partition(partition_id))
        return PartitionState(partition_id) if table is None else self._user_partitions.load(partition_id, table)

    def _keep(self, brought: list[PartitionState]) -> None:
        """Those whose edit was refused have not come into memory; there may be too many with the others."""
        if brought:
            refused = [found for found in brought if found.partition_id not in self.state.partitions]
            self._user_partitions.unloaded(refused)
            self._unload(self._user_partitions.over_limit)

    def _unload(self, choose: Callable[[DatabaseState], list[int]]) -> int:
        gone = [self.state.partitions[id_] for id_ in choose(self.state) if id_ in self.state.partitions]
        if gone:
            ids = {partition.partition_id for partition in gone}
            kept = {id_: found for id_, found in self.state.partitions.items() if id_ not in ids}
            self.state = self.state.with_partitions(kept)
            self._user_partitions.unloaded(gone)
        return len(gone)

    def _check_thawed(self) -> None:
        if self._frozen is not None:
            raise StorageUnavailable(f"{self._frozen}; nothing was stored", sqlstate="57P03")

    def _publish(self, group: Group) -> None:
        for load_id, first_seq in group.loads.items():
            self._index.commit_load(load_id, first_seq)
        changes = self._feed.hold(group.changes, self.state)
        self.state = group.state
        self._published = self._begun
        self._feed.tell(changes, group.state)
        self._tell(group.state)

    def _tell(self, state: DatabaseState) -> None:
        for listener in self._listeners:
            try:
                listener(state)
            except Exception:
                structlog.get_logger().exception("commit_listener_failed")


def _answer(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(_shown(error))


def _shown(error: BaseException) -> BaseException:
    """A bug in one edit must not end the thread: it goes to the log and to the one who committed."""
    if not isinstance(error, FrostlineError):
        structlog.get_logger().exception("commit_failed", exc_info=error)
    return error
