"""Schedule runs the planners' loops: look at the newest state, ask a pure function what is due, submit it.

Pace: after a commit the flush planner looks soon, but not more often than every PAUSE_SECONDS however many commits
come; without commits it looks every `flush_check_seconds`, for the interval policies. All others (`planners`) look
at their own intervals. A submit that fails is logged; the next look asks again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import structlog
import trio

from jobs.ledger import JobType, Trigger
from jobs.manager import JobManager
from jobs.planner import JobRequest, Planner, table_wish
from jobs.planning.planners import planners_of
from jobs.policy import fullest_partitions
from jobs.settings import JobSettings
from storage.backup.manifest_copy import ManifestCopies
from storage.catalog.schema import TableDef
from storage.engine import Engine
from storage.errors import FrostlineError
from storage.failpoints import reach_loop
from storage.maintenance.flush import FlushReason, is_interval_over, plan_flush
from storage.state.state import DatabaseState, partitions_by_table

PAUSE_SECONDS: Final = 0.1
COPY_PAUSE_SECONDS: Final = 1.0

log = structlog.get_logger("jobs")


@dataclass(frozen=True, slots=True)
class FlushWish:
    """A table to flush, and why."""

    table: TableDef
    trigger: Trigger


def plan_flushes(
    state: DatabaseState, now_ms: int, hot_bytes_max: int, waiting: Mapping[int, int] = MappingProxyType({})
) -> Iterator[FlushWish]:
    """Tables whose own policy is due, and the fullest ones while the hot side is filling up. Pure.

    waiting: user tables with hot rows that are not in memory, by id -> commit time of the oldest such row, in ms
    """
    pressed = frozenset(fullest_partitions(state, hot_bytes_max))
    users = partitions_by_table(state)
    for table in state.catalog.tables.values():
        partitions = users.get(table.table_id, ()) or [state.partition(table.partition_id)]
        if any(partition.partition_id in pressed for partition in partitions):
            yield FlushWish(table, Trigger.SIZE)
            continue
        reasons = {plan_flush(table, partition, now_ms) for partition in partitions} - {None}
        if reasons - {FlushReason.INTERVAL}:
            yield FlushWish(table, Trigger.SIZE)
        elif reasons or is_interval_over(table, waiting.get(table.table_id, now_ms), now_ms):
            yield FlushWish(table, Trigger.SCHEDULE)


class Schedule:
    """The loops. Started in the nursery by the composition root."""

    def __init__(self, engine: Engine, manager: JobManager, settings: JobSettings, user_grace_ms: int) -> None:
        """user_grace_ms: for which a dropped user can be brought back."""
        self._user_grace_ms = user_grace_ms
        self._engine = engine
        self._manager = manager
        self._settings = settings
        self._committed = trio.Event()
        self._rung = False  # since the planner last looked
        self._copies = ManifestCopies(engine)
        self._looked = trio.Event()
        self._defined = trio.Event()  # set, and replaced, when the catalog changes
        self._catalog = engine.state.catalog

    async def run(self) -> None:
        """Run until cancelled. Call once."""
        token = trio.lowlevel.current_trio_token()
        self._engine.committer.add_listener(lambda state: self._ring(token, state))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._flush_loop)
            for planner in planners_of(self._engine, self._settings, self._user_grace_ms):
                nursery.start_soon(self._plan_loop, planner)
            nursery.start_soon(self._copy_loop)

    async def submit_due_flushes(self, *, everything: bool = False) -> list[str]:
        """Submit what is due now, or every table with hot rows. Returns the job ids."""
        state = self._engine.state
        hot_bytes_max = 0 if everything else self._engine.settings.hot_bytes_max
        waiting = self._engine.user_partitions.oldest_waiting()
        wishes = list(plan_flushes(state, self._engine.time.now().database_ms, hot_bytes_max, waiting))
        submitted = [await self.submit(table_wish(JobType.FLUSH, wish.table, wish.trigger)) for wish in wishes]
        return [job_id for job_id in submitted if job_id is not None]

    async def _flush_loop(self) -> None:
        while True:
            self._committed = trio.Event()
            self._rung = False
            try:
                reach_loop("loop.flush_planner")
                await self.submit_due_flushes()
            except Exception:
                log.exception("planner_failed", planner="flush")
            self._looked.set()
            await trio.sleep(PAUSE_SECONDS)
            with trio.move_on_after(self._settings.flush_check_seconds):
                await self._committed.wait()

    async def _plan_loop(self, planner: Planner) -> None:
        if not planner.at_start:
            await trio.sleep(planner.pause_seconds())
        while True:
            defined = self._defined  # of now: a change while it looks is not overheard
            try:
                reach_loop("loop.planner")
                for wish in await trio.to_thread.run_sync(_looked, planner):
                    await self.submit(wish)
            except Exception:
                log.exception("planner_failed", planner=planner.name)
            await trio.sleep(min(PAUSE_SECONDS, planner.pause_seconds()))
            woken = defined if planner.on_definitions else trio.Event()
            with trio.move_on_after(planner.pause_seconds()):
                await woken.wait()

    async def _copy_loop(self) -> None:
        """After the flush planner's looks, so after commits too, keep the copies of the manifest like the manifest."""
        while True:
            await self._looked.wait()
            self._looked = trio.Event()
            try:
                reach_loop("loop.manifest_copies")
                await trio.to_thread.run_sync(self._copies.write_changed)
            except FrostlineError as error:
                log.warning("manifest_not_copied", error=error.message)
            except Exception:
                log.exception("manifest_copy_failed")
            await trio.sleep(COPY_PAUSE_SECONDS)

    async def submit(self, wish: JobRequest) -> str | None:
        """The id of the job that sees to it; None when none can be queued."""
        try:
            return await self._manager.submit(
                wish.job_type, wish.target, trigger=wish.trigger, parameters=wish.parameters
            )
        except FrostlineError as error:
            log.warning("job_not_queued", job_type=str(wish.job_type), target=wish.target, error=error.message)
            return None

    def _ring(self, token: trio.lowlevel.TrioToken, state: DatabaseState) -> None:
        """On the committer's thread, for each commit: wake planners once, not for every commit of a busy time."""
        is_defined = state.catalog is not self._catalog
        if self._rung and not is_defined:
            return
        self._rung, self._catalog = True, state.catalog
        with suppress(trio.RunFinishedError):  # the last commits of a shutdown
            token.run_sync_soon(self._note_commit)
            if is_defined:
                token.run_sync_soon(self._note_definition)

    def _note_commit(self) -> None:
        self._committed.set()

    def _note_definition(self) -> None:
        heard, self._defined = self._defined, trio.Event()
        heard.set()


def _looked(planner: Planner) -> list[JobRequest]:
    """On a worker thread."""
    return list(planner.look())
