"""RunningQuery runs a statement: DataFusion's stream on one asyncio loop, its batches handed to a reader's thread.

Why a loop: cancelling an asyncio task drops the Rust future, and the CPU stops at once; a blocking read of the
same stream can't be stopped. The loop runs ahead of the reader, because each hop between threads costs ~0.2 ms.

Promise: whatever ends first (the rows, an error, `cancel`, the reader or the RunningQuery being dropped), the Rust
stream is dropped. What still burns then: see `bounds.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
import structlog

from flight_server.query.results.channel import BatchChannel, RunState
from flight_server.query.results.recording import Recording
from flight_server.query.results.result_shape import Shape
from storage.errors import Cancelled, FrostlineError
from storage.failpoints import reach_loop
from storage.loops import forever

Raised = Callable[[FrostlineError], BaseException]


class Source(Protocol):
    """Where batches come from, in the engine's shape."""

    def take(self) -> list[pa.RecordBatch] | None:
        """Wait for batches; None at the end. Raises FrostlineError."""


class Running(Protocol):
    """One statement under way or run. `cancel` from any thread; one reader."""

    schema: pa.Schema

    @property
    def state(self) -> RunState: ...

    def cancel(self, reason: FrostlineError | None = None) -> None:
        """Stop now. The reader gets `reason` (a Cancelled by default); after the end it does nothing."""

    def wait(self, seconds: float) -> bool:
        """Whether rows, the end or an error are there, waiting at most so long."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Batches as `schema`, none over the message size. Raises FrostlineError."""

    def reader(self, raised: Raised | None = None) -> pa.RecordBatchReader:
        """For a gRPC thread. `raised` turns our errors into what that library wants raised."""


class QueryLoop:
    """The one asyncio loop thread that drives every running statement."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="frostline-query-loop", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cancel what runs, then stop. Once is enough; more do nothing."""
        if self.loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self.loop).result(timeout=10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        forever("queries", self._step)

    def _step(self) -> bool:
        """Until it is stopped, or a callback raises what asyncio lets through: then it runs on. Returns whether to."""
        self.loop.run_forever()
        return False

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class FinishedQuery:
    """A short statement that has run. As RunningQuery, but there is nothing left to stop."""

    @property
    def state(self) -> RunState:
        return RunState.FINISHED

    def __init__(self, schema: pa.Schema, messages: Sequence[pa.RecordBatch]) -> None:
        """messages: as they are sent"""
        self.schema = schema
        self._messages = messages

    @classmethod
    def of_batches(cls, batches: Sequence[pa.RecordBatch], shape: Shape) -> FinishedQuery:
        """As the engine gave them."""
        filled = [batch for batch in batches if batch.num_rows]
        return cls(shape.schema, tuple(shape.messages(filled)) if filled else ())

    @property
    def messages(self) -> Sequence[pa.RecordBatch]:
        return self._messages

    @property
    def rows(self) -> int:
        return sum(batch.num_rows for batch in self._messages)

    @property
    def bytes(self) -> int:
        return sum(batch.nbytes for batch in self._messages)

    def cancel(self, reason: FrostlineError | None = None) -> None:
        """It has run."""

    def wait(self, seconds: float) -> bool:
        return True

    def batches(self) -> Iterator[pa.RecordBatch]:
        return iter(self._messages)

    def reader(self, raised: Raised | None = None) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, self._messages)


class RunningQuery:
    """One statement under way. `cancel` from any thread; one reader."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stream: Any,
        shape: Shape,
        mapped: Callable[[BaseException], FrostlineError],
        buffer_bytes_max: int,
        recording: Recording | None = None,
    ) -> None:
        """recording: is told of all that its reader gets"""
        self.schema = shape.schema
        self._shape = shape
        self._recording = recording
        self._channel = BatchChannel(loop, buffer_bytes_max)
        self._pumping = asyncio.run_coroutine_threadsafe(_pump(stream, self._channel, mapped), loop)
        self._pumping.add_done_callback(partial(_end_unread, self._channel))

    def __del__(self) -> None:
        self.cancel()

    @property
    def state(self) -> RunState:
        return self._channel.state

    def cancel(self, reason: FrostlineError | None = None) -> None:
        """Stop now. The reader gets `reason` (a Cancelled by default); after the end it does nothing."""
        if self._channel.end(RunState.CANCELLED, reason or Cancelled("the statement was cancelled")):
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing runs any more
                self._pumping.cancel()

    def wait(self, seconds: float) -> bool:
        """Whether rows, the end or an error are there, waiting at most so long."""
        return self._channel.wait(seconds)

    def batches(self) -> Batches:
        """Batches as `schema`, none over the message size. Raises FrostlineError."""
        return Batches(self, self._channel, self._shape, None, self._recording)

    def reader(self, raised: Raised | None = None) -> pa.RecordBatchReader:
        """For a gRPC thread. `raised` turns our errors into what that library wants raised."""
        batches = Batches(self, self._channel, self._shape, raised, self._recording)
        return pa.RecordBatchReader.from_batches(self.schema, batches)


class Batches:
    """The reader's end. Dropping it before the end cancels the statement, even when nothing was read."""

    def __init__(
        self,
        running: Running,
        source: Source,
        shape: Shape,
        raised: Raised | None,
        recording: Recording | None = None,
    ) -> None:
        self._running = running
        self._source = source
        self._shape = shape
        self._raised = raised
        self._recording = recording
        self._cut: deque[pa.RecordBatch] = deque()

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            return self._next()
        except FrostlineError as error:
            if self._raised is None:
                raise
            raise self._raised(error) from None

    def __del__(self) -> None:
        self._running.cancel()

    def _next(self) -> pa.RecordBatch:
        while not self._cut:
            taken = self._source.take()
            if taken is None:
                if self._recording is not None:
                    self._recording.end()
                raise StopIteration
            self._cut.extend(self._shape.messages(taken))
        message = self._cut.popleft()
        if self._recording is not None:
            self._recording.add(message)
        return message


async def _pump(stream: Any, channel: BatchChannel, mapped: Callable[[BaseException], FrostlineError]) -> None:
    """Move the stream's batches into the channel. Holds no RunningQuery, so that dropping one is noticed."""
    try:
        reach_loop("loop.query_stream")
        async for batch in stream:
            channel.put(batch.to_pyarrow())
            await channel.room()
        channel.end(RunState.FINISHED)
    except asyncio.CancelledError:
        # Not raised again: its traceback holds the frames that hold the stream, and whoever holds the task would
        # keep the statement burning.
        channel.end(RunState.CANCELLED, Cancelled("the statement was cancelled: the server is stopping"))
    except BaseException as error:  # a panic in Rust is no Exception, and must reach the reader too
        channel.end(RunState.FAILED, _mapped(error, mapped))


def _mapped(error: BaseException, mapped: Callable[[BaseException], FrostlineError]) -> FrostlineError:
    """Whatever becomes of the mapping, the reader gets an error: it waits for one."""
    try:
        return mapped(error)
    except BaseException as unforeseen:
        structlog.get_logger().error("query_error_not_mapped", exc_info=unforeseen)
        return FrostlineError("the statement failed in a way that was not foreseen", sqlstate="XX000")


def _end_unread(channel: BatchChannel, _: Future[None]) -> None:
    """The task is over, and be it that it never began: nobody waits for more. After an end it does nothing."""
    channel.end(RunState.CANCELLED, Cancelled("the statement was cancelled: the server is stopping"))
