"""JobClient lets threads outside trio submit, kill and await jobs: each call runs on the trio thread.

It has the shape that the front of the house asks for in its own port; neither imports the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, ParamSpec, TypeVar

import trio

from jobs.ledger import JobRecord, JobType, Trigger
from jobs.manager import JobManager
from jobs.planner import JobRequest
from jobs.targets import DATABASE, table_parameters
from storage.catalog.names import TableName
from storage.catalog.schema import TableDef, TableKind
from storage.engine import Engine
from storage.errors import Cancelled, NotSupported
from storage.histograms import Histogram

P = ParamSpec("P")
R = TypeVar("R")

# How soon a statement that waits for a job notices that its caller has gone.
WAIT_SLICE_SECONDS: Final = 0.2


class JobClient:
    """Callable from any thread but trio's own. Made in the trio thread."""

    def __init__(self, engine: Engine, manager: JobManager) -> None:
        self._engine = engine
        self._manager = manager
        self._token = trio.lowlevel.current_trio_token()

    def submit_flush(self, table: TableName | None, in_namespace: str | None = None) -> Sequence[JobRecord]:
        """FLUSH TABLE t, or every table of a namespace or of all that has hot rows when `table` is None."""
        return [self._submit(JobType.FLUSH, chosen) for chosen in self._tables_to_flush(table, in_namespace)]

    def submit_compact(self, table: TableName) -> JobRecord:
        """COMPACT TABLE t."""
        return self._submit(JobType.COMPACT, _with_cold_side(self._engine.state.catalog.table(table), "COMPACT"))

    def submit_evict(self, table: TableName) -> JobRecord:
        """EVICT TABLE t."""
        stream = self._engine.state.catalog.table(table)
        if stream.kind is not TableKind.STREAM:
            raise NotSupported(f"EVICT is for stream tables; '{table}' is a {stream.kind} table, use DELETE")
        return self._submit(JobType.STREAM_EVICTION, stream)

    def submit_scrub(self, table: TableName | None) -> JobRecord:
        """SCRUB TABLE t, or SCRUB ALL when `table` is None."""
        chosen = None if table is None else _with_cold_side(self._engine.state.catalog.table(table), "SCRUB")
        return self._submit(JobType.SCRUB, chosen)

    def submit(self, job_type: str, target: str, parameters: Mapping[str, str]) -> JobRecord:
        """A job of any type, asked for by a user."""
        wish = JobRequest(JobType(job_type), target, Trigger.USER, parameters)
        return self._manager.ledger.get(self._in_trio(self._submit_in_trio, wish))

    def kill(self, job_id: str) -> JobRecord:
        """KILL JOB: queued ones are cancelled on return, running ones end at their next step."""
        self._in_trio(self._manager.cancel, job_id)
        return self._manager.ledger.get(job_id)

    def wait_for(self, job_id: str, cancelled: Callable[[], bool]) -> JobRecord:
        """WAIT FOR JOB: its record once it is finished."""
        while not cancelled():
            record = self._in_trio(self._wait_a_while, job_id)
            if not record.is_live:
                return record
        raise Cancelled(f"waiting for job '{job_id}' was cancelled; the job goes on")

    def durations(self) -> Mapping[tuple[str, ...], Histogram]:
        """How long jobs took that ended since the start, by type and status. Never blocks."""
        return self._manager.durations.now()

    def rows(self) -> Sequence[JobRecord]:
        """All jobs, oldest first. Never blocks."""
        return self._manager.ledger.records()

    async def _wait_a_while(self, job_id: str) -> JobRecord:
        with trio.move_on_after(WAIT_SLICE_SECONDS):
            return await self._manager.wait(job_id)
        return self._manager.ledger.get(job_id)

    def _tables_to_flush(self, table: TableName | None, in_namespace: str | None) -> list[TableDef]:
        state = self._engine.state
        if table is not None:
            return [_with_cold_side(state.catalog.table(table), "FLUSH")]
        if in_namespace is not None:
            state.catalog.namespace(in_namespace)
        return [
            t
            for t in state.catalog.tables.values()
            if in_namespace in (None, t.name.namespace) and t.kind is not TableKind.STREAM and self._is_hot(t)
        ]

    def _is_hot(self, table: TableDef) -> bool:
        """Whether it has hot rows; a user table: whether anybody has."""
        state = self._engine.state
        if table.kind is not TableKind.USER:
            return bool(state.partition(table.partition_id).hot)
        return self._engine.users.is_hot(table)

    def _submit(self, job_type: JobType, table: TableDef | None) -> JobRecord:
        if table is None:
            return self.submit(job_type, DATABASE, {})
        return self.submit(job_type, str(table.name), table_parameters(table))

    async def _submit_in_trio(self, wish: JobRequest) -> str:
        return await self._manager.submit(wish.job_type, wish.target, trigger=wish.trigger, parameters=wish.parameters)

    def _in_trio(self, call: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return trio.from_thread.run(call, *args, trio_token=self._token)
        except (trio.RunFinishedError, trio.Cancelled) as error:
            raise Cancelled("the server is stopping", sqlstate="57P01") from error


def _with_cold_side(table: TableDef, what: str) -> TableDef:
    if table.kind is TableKind.STREAM:
        raise NotSupported(f"{what} of stream table '{table.name}' is refused: its events live hot only and expire")
    return table
