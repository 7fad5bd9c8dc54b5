"""A statement under way: DataFusion's stream on one asyncio loop, its batches handed to a reader's thread.

Why a loop: cancelling an asyncio task drops the Rust future, and the CPU stops at once; a blocking read of the
same stream can't be stopped. The loop runs ahead of the reader up to `buffer_bytes_max`, because each hop
between threads costs ~0.2 ms.

Promise: whatever ends first (the rows, an error, `cancel`, the reader going away) the Rust stream is dropped.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from storage.errors import Cancelled, FrostlineError

COALESCE_BYTES: Final = 256 << 10  # batches that wait are joined up to here: a message costs ~50 us


class RunState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class QueryLoop:
    """The one asyncio loop thread that drives every running statement."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="frostline-query-loop", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cancel what runs, then stop."""
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self.loop).result(timeout=10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _cancel_all(self) -> None:
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks(self.loop) if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class RunningQuery:
    """One statement under way. `cancel` from any thread; one reader."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stream: Any,
        shape: Shape,
        mapped: Callable[[BaseException], FrostlineError],
        buffer_bytes_max: int,
    ) -> None:
        self.schema = shape.schema
        self._shape = shape
        self._loop = loop
        self._mapped = mapped
        self._buffer_bytes_max = buffer_bytes_max
        self._changed = threading.Condition()
        self._waiting: deque[pa.RecordBatch] = deque()
        self._waiting_bytes = 0
        self._state = RunState.RUNNING
        self._error: FrostlineError | None = None
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        loop.call_soon_threadsafe(self._begin, stream)

    @property
    def state(self) -> RunState:
        return self._state

    def cancel(self, reason: FrostlineError | None = None) -> None:
        """Stop now. The reader gets `reason` (a Cancelled by default); later calls do nothing."""
        self._end(RunState.CANCELLED, reason or Cancelled("the statement was cancelled"))
        self._loop.call_soon_threadsafe(self._drop)

    def wait_first(self, seconds: float) -> bool:
        """Whether a batch, the end or an error is there, waiting at most so long."""
        with self._changed:
            return self._changed.wait_for(self._readable, timeout=seconds)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batches as `schema`, none over the message size. Raises FrostlineError. Leaving early cancels."""
        try:
            while (taken := self._take()) is not None:
                yield from self._shape.messages(taken)
        finally:
            if self._state is RunState.RUNNING or self._waiting:
                self.cancel()

    def reader(self, mapped: Callable[[FrostlineError], BaseException] | None = None) -> pa.RecordBatchReader:
        """For a gRPC thread. `mapped` turns our errors into what that library wants raised."""
        return pa.RecordBatchReader.from_batches(self.schema, _raising(self.batches(), mapped))

    # on the loop thread

    def _begin(self, stream: Any) -> None:
        if self._state is RunState.RUNNING:
            self._task = self._loop.create_task(self._pump(stream))

    def _drop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _pump(self, stream: Any) -> None:
        try:
            async for batch in stream:
                self._put(batch.to_pyarrow())
                if self._waiting_bytes >= self._buffer_bytes_max:
                    await self._wait_for_room()
            self._end(RunState.FINISHED, None)
        except asyncio.CancelledError:
            self._end(RunState.CANCELLED, Cancelled("the statement was cancelled: the server is stopping"))
            raise
        except BaseException as error:  # a Rust panic is a BaseException; it must reach the reader
            self._end(RunState.FAILED, self._mapped(error))

    async def _wait_for_room(self) -> None:
        self._room.clear()
        # The reader may have drained between the check and the clear: look again.
        if self._waiting_bytes >= self._buffer_bytes_max:
            await self._room.wait()

    def _put(self, batch: pa.RecordBatch) -> None:
        with self._changed:
            if self._state is RunState.RUNNING and batch.num_rows:
                self._waiting.append(batch)
                self._waiting_bytes += batch.nbytes
                self._changed.notify_all()

    # on any thread

    def _end(self, state: RunState, error: FrostlineError | None) -> None:
        with self._changed:
            if self._state is not RunState.RUNNING:
                return
            self._state, self._error = state, error
            if state is RunState.CANCELLED:
                self._waiting.clear()
                self._waiting_bytes = 0
            self._changed.notify_all()

    def _readable(self) -> bool:
        return bool(self._waiting) or self._state is not RunState.RUNNING

    def _take(self) -> list[pa.RecordBatch] | None:
        """What waits, up to COALESCE_BYTES but at least one batch; None at the end."""
        with self._changed:
            self._changed.wait_for(self._readable)
            if not self._waiting:
                if self._error is not None:
                    raise self._error
                return None
            before = self._waiting_bytes
            taken = self._pop()
            drained = before >= self._buffer_bytes_max > self._waiting_bytes
        if drained:
            self._loop.call_soon_threadsafe(self._room.set)
        return taken

    def _pop(self) -> list[pa.RecordBatch]:
        taken: list[pa.RecordBatch] = []
        size = 0
        while self._waiting and (not taken or size + self._waiting[0].nbytes <= COALESCE_BYTES):
            batch = self._waiting.popleft()
            size += batch.nbytes
            taken.append(batch)
        self._waiting_bytes -= size
        return taken


class Shape:
    """How batches leave: as one schema, in messages of a bounded size."""

    def __init__(self, schema: pa.Schema, message_bytes_max: int, rewrite: Rewrite | None = None) -> None:
        self.schema = schema
        self._message_bytes_max = message_bytes_max
        self._rewrite = rewrite

    def messages(self, batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Cast, joined when small, cut when large."""
        whole = [as_schema(batch, self.schema) for batch in batches]
        if self._rewrite is not None:
            whole = [self._rewrite(batch) for batch in whole]
        if len(whole) > 1:
            whole = [pa.concat_batches(whole)]
        yield from _cut(whole[0], self._message_bytes_max)


Rewrite = Callable[[pa.RecordBatch], pa.RecordBatch]


def as_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch` with exactly the types of `schema`, column by column in order."""
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    if not columns:
        return batch
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cut(batch: pa.RecordBatch, bytes_max: int) -> Iterator[pa.RecordBatch]:
    """Pieces of about `bytes_max`. A piece that slicing does not make smaller (one row, or a shared dictionary,
    which each message repeats) stays whole."""
    size = batch.nbytes
    if size <= bytes_max or batch.num_rows <= 1:
        yield batch
        return
    step = -(-batch.num_rows // -(-size // bytes_max))
    for start in range(0, batch.num_rows, step):
        piece = batch.slice(start, step)
        if bytes_max < piece.nbytes < size * 3 // 4:
            yield from _cut(piece, bytes_max)
        else:
            yield piece


def _raising(
    batches: Iterator[pa.RecordBatch], mapped: Callable[[FrostlineError], BaseException] | None
) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except FrostlineError as error:
        if mapped is None:
            raise
        raise mapped(error) from None
