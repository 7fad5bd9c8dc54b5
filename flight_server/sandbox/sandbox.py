"""The sandbox runs a statement that must run apart: packs what it needs, starts its process, reads what comes."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import structlog

from flight_server.query.apart import Apart, Bounds
from flight_server.query.care.engine_faults import ALL_MENDED
from flight_server.query.errors.mapping import query_error
from flight_server.query.results.channel import RunState
from flight_server.query.results.result_shape import Shape
from flight_server.query.results.running_query import Batches, Raised
from flight_server.query.sessions.settings import QuerySettings
from flight_server.sandbox.failure import Failure, error_of
from flight_server.sandbox.frames import Ended, Kind, read
from flight_server.sandbox.growth import bounds_of
from flight_server.sandbox.processes import ForkServer, SandboxProcess
from flight_server.sandbox.shipment import packed
from storage.cold.file_store import FileStores
from storage.errors import Cancelled, FrostlineError, LimitExceeded

BATCH_ROWS: Final = 1024  # few, as each row may become large


class ProcessSandbox:
    """See `query.apart.Sandbox`."""

    def __init__(self, settings: QuerySettings, spill_directory: Path, file_stores: FileStores) -> None:
        self._settings = settings
        self._spill_directory = spill_directory
        self._file_stores = file_stores
        self._server = ForkServer()
        self._numbers = itertools.count(1)

    def bounds_of(
        self, plan: Any, shown: str, sql: str, params: Mapping[str, pa.Scalar] | None, row_bytes: float
    ) -> Bounds:
        return bounds_of(plan, shown, sql, params, row_bytes)

    def start(self, apart: Apart, shape: Shape) -> SandboxedQuery:
        process, directory = self._begun(apart)

        def close() -> None:
            process.close()
            shutil.rmtree(directory, ignore_errors=True)

        return SandboxedQuery(process, shape, self._settings.sandbox_bytes_max, close)

    def close(self) -> None:
        self._server.close()

    def _begun(self, apart: Apart) -> tuple[SandboxProcess, Path]:
        bytes_max = self._settings.sandbox_bytes_max
        directory = self._spill_directory / f"apart-{next(self._numbers)}"
        # What it may spill for, half of what it may have: the rest is for what no pool counts.
        settings = replace(
            self._settings,
            memory_bytes_max=max(bytes_max // 2, 16 << 20),
            batch_rows=BATCH_ROWS if apart.grows else self._settings.batch_rows,
        )
        request = packed(
            apart.sql,
            apart.scope,
            apart.params,
            apart.rows,
            apart.casts,
            apart.touched,
            self._file_stores,
            reason=apart.reason,
            settings=settings,
            mended=tuple(sorted(ALL_MENDED)),
            spill_directory=str(directory),
            bytes_max=bytes_max,
        )
        process = self._server.start(bytes_max)
        try:
            process.request(request)
        except Ended:
            process.close()
            raise _died(process, bytes_max) from None
        return process, directory


class SandboxedQuery:
    """A statement that runs in a process of its own. As `RunningQuery`."""

    def __init__(self, process: SandboxProcess, shape: Shape, bytes_max: int, close: Callable[[], None]) -> None:
        """close: called once, at the end"""
        self.schema = shape.schema
        self._process = process
        self._shape = shape
        self._bytes_max = bytes_max
        self._close = close
        self._lock = threading.Lock()
        self._state = RunState.RUNNING
        self._reason: FrostlineError | None = None
        self._reading = threading.Lock()  # the channel is closed by the reader, or while nobody reads

    def __del__(self) -> None:
        self.cancel()

    @property
    def state(self) -> RunState:
        return self._state

    def cancel(self, reason: FrostlineError | None = None) -> None:
        if self._ended(RunState.CANCELLED, reason or Cancelled("the statement was cancelled")):
            self._process.kill()
            if self._reading.acquire(blocking=False):
                try:
                    self._close()
                finally:
                    self._reading.release()

    def wait(self, seconds: float) -> bool:
        return self._state is not RunState.RUNNING or self._process.wait(seconds)

    def batches(self) -> Batches:
        return Batches(self, self, self._shape, raised=None)

    def reader(self, raised: Raised | None = None) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, Batches(self, self, self._shape, raised))

    def take(self) -> list[pa.RecordBatch] | None:
        """Wait for a batch; None at the end. Raises what it ended with."""
        with self._reading:
            if self._state is RunState.RUNNING:
                try:
                    found = self._next()
                except FrostlineError as error:
                    self._ended(RunState.FAILED, error)
                else:
                    if found is not None:
                        return found
                    self._ended(RunState.FINISHED, None)
            self._close()
        if self._reason is not None:
            raise self._reason
        return None

    def _next(self) -> list[pa.RecordBatch] | None:
        kind, data = _received(self._process, self._bytes_max)
        if kind is Kind.BATCH:
            try:
                return read(data).to_batches()
            except pa.ArrowException as error:
                raise query_error(error) from None
        if kind is Kind.FAILED:
            raise _failure(data)
        return None

    def _ended(self, state: RunState, reason: FrostlineError | None) -> bool:
        with self._lock:
            if self._state is not RunState.RUNNING:
                return False
            self._state, self._reason = state, reason
            return True


def _received(process: SandboxProcess, bytes_max: int) -> tuple[Kind, memoryview]:
    try:
        return process.receive()
    except Ended:
        raise _died(process, bytes_max) from None


def _died(process: SandboxProcess, bytes_max: int) -> FrostlineError:
    structlog.get_logger().warning("sandboxed_statement_died", grew_too_large=process.grew_too_large)
    return LimitExceeded(
        f"the statement was ended: it needs more memory than the {bytes_max:,} bytes that one of its kind may take "
        "(query.sandbox_bytes_max); let it make less of what it reads",
        sqlstate="53200",
    )


def _failure(data: memoryview) -> FrostlineError:
    return error_of(msgspec.json.decode(bytes(data), type=Failure))
