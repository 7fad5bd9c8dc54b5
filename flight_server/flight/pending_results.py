"""PendingResults keeps results between GetFlightInfo and DoGet.

A query is planned in GetFlightInfo and runs in DoGet. In between its plan waits here: bounded in number and in
time, under a signed handle that only its owner can open. A result can be fetched **once**: the plan holds a
snapshot, and running it again for a second DoGet would silently cost the whole query again, or answer from
another moment. The second fetch is told to run the statement again.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from flight_server.sql.interface.statement_result import StatementResult
from flight_server.wire.handles import HandleKind, HandleSigner, unknown_handle
from flight_server.wire.requests import CancelStatus
from storage.clock import Clock

_RUNNING_SECONDS = 86_400.0  # a ticket can cancel its result for this long after it began to run


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A planned or running result and whose it is. `schema` is what its rows will be sent with."""

    id: bytes
    owner: str
    result: StatementResult
    schema: pa.Schema
    until_seconds: float


class PendingResults:
    """All planned and running results, by the id inside their handles."""

    def __init__(self, signer: HandleSigner, clock: Clock, results_max: int, seconds_max: float) -> None:
        self._signer = signer
        self._clock = clock
        self._results_max = results_max
        self._seconds_max = seconds_max
        self._lock = threading.Lock()
        self._waiting: dict[bytes, KeptResult] = {}  # oldest first
        self._running: dict[bytes, KeptResult] = {}

    def __repr__(self) -> str:
        return f"<PendingResults [{len(self._waiting)} waiting, {len(self._running)} running]>"

    def keep(self, owner: str, result: StatementResult, schema: pa.Schema) -> bytes:
        """The handle for one fetch. When all places are taken, the owner with the most loses their oldest."""
        handle, id_ = self._signer.issue(HandleKind.RESULT, owner, _RUNNING_SECONDS)
        kept = KeptResult(id_, owner, result, schema, self._clock.monotonic_seconds() + self._seconds_max)
        with self._lock:
            dropped = self._make_room()
            self._waiting[id_] = kept
        if dropped is not None:
            dropped.result.cancel("the result was not fetched in time and made room for others")
        return handle

    def take(self, owner: str, handle: bytes) -> KeptResult:
        """For DoGet; `finished` must follow. Raises NotFound."""
        id_ = self._signer.open(HandleKind.RESULT, owner, handle)
        with self._lock:
            kept = self._waiting.pop(id_, None)
            if kept is None:
                raise unknown_handle(HandleKind.RESULT)
            self._running[id_] = kept
            return kept

    def finished(self, kept: KeptResult) -> None:
        with self._lock:
            self._running.pop(kept.id, None)

    def cancel(self, owner: str, handle: bytes) -> CancelStatus:
        """Stop it, planned or running. Raises NotFound for a handle that is not the owner's."""
        id_ = self._signer.open(HandleKind.RESULT, owner, handle)
        with self._lock:
            kept = self._waiting.pop(id_, None) or self._running.get(id_)
        if kept is None:
            return CancelStatus.NOT_CANCELLABLE
        kept.result.cancel("the client cancelled the statement")
        return CancelStatus.CANCELLED

    def expire(self) -> None:
        """Drop what nobody fetched. To be called now and then."""
        now = self._clock.monotonic_seconds()
        with self._lock:
            late = [kept for kept in self._waiting.values() if kept.until_seconds <= now]
            for kept in late:
                del self._waiting[kept.id]
        for kept in late:
            kept.result.cancel("the result was not fetched in time")

    def close(self) -> None:
        """At shutdown: nothing waits any more."""
        with self._lock:
            waiting = list(self._waiting.values())
            self._waiting.clear()
        for kept in waiting:
            kept.result.cancel("the server is stopping")

    def _make_room(self) -> KeptResult | None:
        if len(self._waiting) < self._results_max:
            return None
        [(greedy, _)] = Counter(kept.owner for kept in self._waiting.values()).most_common(1)
        oldest = next(kept for kept in self._waiting.values() if kept.owner == greedy)
        return self._waiting.pop(oldest.id)
