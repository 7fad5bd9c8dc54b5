"""Upload reads rows from a client: nothing that a client sent is used before it was checked.

Malformed Arrow data crashes whoever reads it, so every batch is validated in full first. A few bytes can stand for
gigabytes, so it is counted by what it will be, written out. A stream that was cut off reads as if it were complete, so
after the last batch the call itself is asked. A client that stands still is waited for only so long. All of it happens
here, for bulk ingest and bound parameters alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from flight_server.calls.incoming import Wait, schema_of
from flight_server.calls.peers import close_connection
from flight_server.calls.running_calls import RunningCall
from flight_server.query.results.interval_units import interval_batch, interval_schema
from flight_server.query.results.written_out import batch_bytes
from flight_server.wire.errors import StatementTimedOut
from storage.clock import Clock
from storage.errors import Cancelled, FrostlineError, InvalidRequest, LimitExceeded
from storage.shares import Share

_COLUMNS_MAX: Final = 10_000
_FIELDS_MAX: Final = 100_000  # those inside of others too
DRAINED_BYTES_MAX: Final = 16 << 20
DRAINED_MESSAGE_BYTES_MIN: Final = 64 << 10  # so that empty messages come to an end too
DRAINED_SECONDS_MAX: Final = 1.0  # that a client may stand still meanwhile
_TOO_MUCH: Final = "54000"  # SQLSTATE
# What Arrow raises for bytes that are not what they claim.
_UNREADABLE: Final = (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, KeyError, IndexError)


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """rows_max, bytes_max: of the whole upload, written out; 0 = no limit.

    batch_rows_max, batch_bytes_max: of one message. More rows are taken if they weigh at least a bit each.
    idle_seconds_max: that nothing may come
    each_batch:       whether each is stored by itself
    """

    rows_max: int
    bytes_max: int
    batch_rows_max: int
    batch_bytes_max: int
    idle_seconds_max: float
    each_batch: bool = False


class Upload:
    """What a DoPut brings: one schema, and batches once."""

    def __init__(
        self, reader: Any, call: RunningCall, limits: UploadLimits, share: Share, clock: Clock, log: Any
    ) -> None:
        """share: what its rows in memory count for. Raises InvalidRequest, NotSupported (bad schema), Cancelled."""
        self._reader = reader
        self._call = call
        self._limits = limits
        self._share = share
        self._clock = clock
        self._log = log
        self._outcome = "what was answered is stored" if limits.each_batch else "nothing of it was stored"
        self._sent, self.schema = self._read_schema()

    def batches(self, stopped: Callable[[], bool] | None = None, *, empty: bool = False) -> Iterator[pa.RecordBatch]:
        """Validated batches; each is forgotten when the next one is asked for.

        stopped: whether the statement is to end, whatever the call says
        empty:   whether those without rows are given, too
        Raises: InvalidRequest (malformed, schema change), LimitExceeded, Cancelled (cut off: store nothing).
        """
        for batch, size in self._sized(stopped or self._call.is_cancelled):
            if batch.num_rows or empty:
                self._share.hold(size)
                yield batch
                self._share.hold(0)

    def all_batches(self) -> list[pa.RecordBatch]:
        """The same, all of them kept; they count until the call ends."""
        kept: list[pa.RecordBatch] = []
        for batch, size in self._sized(self._call.is_cancelled):
            self._share.hold(self._share.bytes + size)
            if batch.num_rows:
                kept.append(batch)
        return kept

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While an answer is written in the middle of the upload: whoever reads none is not waited for any longer than
        one who sends nothing."""
        self._call.wait(self._wait(self._limits.idle_seconds_max, self._call.is_cancelled, "no answer was read"))
        try:
            yield
        finally:
            self._call.wait(None)

    def drain(self) -> None:
        """Read on, a little, after a refusal: some clients that still write when the answer comes tell their user
        that writing failed, and never why."""
        size = 0
        wait = self._wait(DRAINED_SECONDS_MAX, self._call.is_cancelled)
        try:
            while size < DRAINED_BYTES_MAX and (chunk := self._chunk(wait)) is not None:
                size += max(0 if chunk.data is None else chunk.data.nbytes, DRAINED_MESSAGE_BYTES_MIN)
        except FrostlineError:
            return  # the refusal itself is what the client is told

    def _sized(self, stopped: Callable[[], bool]) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Batches with what they are, written out."""
        rows = size = 0
        while (chunk := self._chunk(self._wait(self._limits.idle_seconds_max, stopped))) is not None:
            if chunk.data is None:  # a message with metadata only
                continue
            batch, batch_size = self._validated(chunk.data)
            rows += batch.num_rows
            size += batch_size
            self._check_limits(rows, size)
            yield batch, batch_size
        self._call.raise_if_cancelled()
        self._wait(math.inf, stopped).check()

    def _read_schema(self) -> tuple[pa.Schema, pa.Schema]:
        """As sent, and as taken."""
        wait = self._wait(self._limits.idle_seconds_max, self._call.is_cancelled)
        sent = self._read(schema_of, wait)
        sent = pa.schema([]) if sent is None else sent
        if len(sent) > _COLUMNS_MAX:
            raise InvalidRequest(
                f"the upload has {len(sent)} columns; at most {_COLUMNS_MAX} are allowed", sqlstate=_TOO_MUCH
            )
        try:
            _read_names(sent)
        except _UNREADABLE:
            raise self._no_arrow_data() from None
        return sent, interval_schema(sent)

    def _chunk(self, wait: Wait) -> Any:
        """The next message; None at the end."""
        if self._call.is_cancelled():
            self._call.raise_if_cancelled()
        wait.check()
        try:
            return self._read(_next_chunk, wait)
        except StopIteration:
            return None

    def _read(self, read: Callable[[Any], Any], wait: Wait) -> Any:
        """What ended the waiting goes before whatever the read then gave: a closed connection looks like an end."""
        self._call.wait(wait)
        try:
            return read(self._reader)
        except _UNREADABLE:
            raise self._no_arrow_data() from None
        finally:
            self._call.wait(None)
            wait.check()

    def _close_connection(self, reason: FrostlineError) -> None:
        """The client stands still, so it can't be told why."""
        self._log.info("connection_closed", user=self._call.caller.principal.name, reason=reason.message)
        close_connection(self._call.peer)

    def _wait(self, seconds_max: float, stopped: Callable[[], bool], standing: str = "nothing came") -> Wait:
        """For the client, from now on for so long at most, and not beyond the end of the call or the statement."""
        until = self._clock.monotonic_seconds() + seconds_max

        def why() -> FrostlineError | None:
            if self._call.reason is not None:
                return self._call.reason
            if stopped():
                return Cancelled(f"the statement was cancelled in the middle of an upload; {self._outcome}")
            if self._clock.monotonic_seconds() >= until:
                return StatementTimedOut(
                    f"{standing} for {seconds_max:g} s in the middle of an upload (server.upload_idle_seconds); "
                    f"{self._outcome}"
                )
            return None

        return Wait(why, self._close_connection)

    def _validated(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
        """The batch as it is taken, and its size, written out."""
        try:
            self._check_rows(batch)
            batch.validate(full=True)
        except _UNREADABLE:
            raise self._no_arrow_data() from None
        if not batch.schema.equals(self._sent):
            raise InvalidRequest("the rows change their schema in the middle of the upload; send one upload for each")
        batch = interval_batch(batch, self.schema)
        size = int(min(batch_bytes(batch), 1 << 62))
        if size > self._limits.batch_bytes_max:
            raise LimitExceeded(
                f"{batch.num_rows} rows of one batch are {size} bytes, written out; at most "
                f"{self._limits.batch_bytes_max} are allowed (wire.upload_batch_bytes_max): send smaller batches",
                sqlstate=_TOO_MUCH,
            )
        return batch, size

    def _no_arrow_data(self) -> InvalidRequest:
        return InvalidRequest(f"the uploaded rows are not valid Arrow data; {self._outcome}", sqlstate="22000")

    def _check_rows(self, batch: pa.RecordBatch) -> None:
        rows, rows_max = batch.num_rows, self._limits.batch_rows_max
        if rows > rows_max and rows > batch.nbytes * 8:
            raise LimitExceeded(
                f"one batch has {rows} rows, which weigh next to nothing; at most {rows_max} are allowed "
                "(wire.upload_batch_rows_max): send smaller batches",
                sqlstate=_TOO_MUCH,
            )

    def _check_limits(self, rows: int, size: int) -> None:
        limits = self._limits
        if limits.rows_max and rows > limits.rows_max:
            raise LimitExceeded(
                f"more than {limits.rows_max} rows in one upload; send less at a time", sqlstate=_TOO_MUCH
            )
        if limits.bytes_max and size > limits.bytes_max:
            raise LimitExceeded(
                f"more than {limits.bytes_max} bytes in one upload; send less at a time", sqlstate=_TOO_MUCH
            )


def _next_chunk(reader: Any) -> Any:
    return reader.read_chunk()


def _read_names(schema: pa.Schema) -> None:
    """Arrow checks values but not names: one that is not UTF-8 raises here, and not somewhere behind."""
    _ = schema.names
    if not any(kind.num_fields or pa.types.is_timestamp(kind) for kind in schema.types):
        return
    fields = list(schema)
    for field in fields:  # which grows meanwhile
        _ = field.name, getattr(field.type, "tz", None)
        if len(fields) + field.type.num_fields > _FIELDS_MAX:
            raise InvalidRequest(
                f"the upload has more than {_FIELDS_MAX} fields, those inside of others counted",
                sqlstate=_TOO_MUCH,
            )
        fields += (field.type.field(place) for place in range(field.type.num_fields))


def checked_table_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` if a table can have it. Raises InvalidRequest."""
    if not len(schema):
        raise InvalidRequest("the upload has no columns; send at least one")
    seen: set[str] = set()
    for name in schema.names:
        if name in seen:
            raise InvalidRequest(f"the upload has two columns named '{name[:80]}'; give each its own name")
        seen.add(name)
    return schema
