"""JobService is the port to background work for SQL statements, which never import `jobs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from storage.catalog.names import TableName
from storage.histograms import Histogram


class JobRow(Protocol):
    """One row of `system.jobs`. Times are ms since 1970 UTC; None = not yet or not known."""

    @property
    def job_id(self) -> str: ...
    @property
    def job_type(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, str]: ...
    @property
    def message(self) -> str: ...
    @property
    def progress(self) -> float | None: ...
    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def files(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def oldest_ms(self) -> int | None: ...
    @property
    def newest_ms(self) -> int | None: ...
    @property
    def attempts(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def created_ms(self) -> int: ...
    @property
    def started_ms(self) -> int | None: ...
    @property
    def finished_ms(self) -> int | None: ...
    @property
    def error(self) -> str: ...
    @property
    def trigger(self) -> str: ...


class JobService(Protocol):
    """Callable from any thread but trio's own; every method may block for a disk write.

    Error handling: NotFound (no such table, namespace or job), NotSupported (this kind of table has no cold side),
    StorageUnavailable (the ledger can't be written), Cancelled (the server is stopping).
    """

    def submit_flush(self, table: TableName | None, in_namespace: str | None = None) -> Sequence[JobRow]:
        """FLUSH TABLE, or FLUSH ALL [IN namespace] when `table` is None: one job a table that has hot rows."""
        ...

    def submit_compact(self, table: TableName) -> JobRow:
        """COMPACT TABLE."""
        ...

    def submit_evict(self, table: TableName) -> JobRow:
        """EVICT TABLE."""
        ...

    def submit_scrub(self, table: TableName | None) -> JobRow:
        """SCRUB TABLE, or SCRUB ALL when `table` is None."""
        ...

    def submit(self, job_type: str, target: str, parameters: Mapping[str, str]) -> JobRow:
        """A job of any type that the server knows, e.g. "backup"; `parameters` are for its executor."""
        ...

    def kill(self, job_id: str) -> JobRow:
        """KILL JOB: a queued job is cancelled on return, a running one ends at its next step."""
        ...

    def wait_for(self, job_id: str, cancelled: Callable[[], bool]) -> JobRow:
        """WAIT FOR JOB: returns once it is finished, however it ended. Raises Cancelled when `cancelled()` does."""
        ...

    def durations(self) -> Mapping[tuple[str, ...], Histogram]:
        """How long jobs took that ended since the start, by type and status. Never blocks."""
        ...

    def rows(self) -> Sequence[JobRow]:
        """All jobs, oldest first. Never blocks."""
        ...
