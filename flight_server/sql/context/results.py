"""Statement results: rows that will stream, rows that are there, or a count."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from flight_server.query.apart import Admit
from flight_server.query.results.running_query import FinishedQuery, Running
from flight_server.sql.context.running_statements import RunningState, RunningStatement, RunningStatements
from flight_server.sql.interface.request import never
from storage.errors import Cancelled, FrostlineError, InvalidRequest

NO_COLUMNS = pa.schema([])
Start = Callable[[Admit], Running]  # begins a query. Raises FrostlineError.


class RowsResult:
    """A query that is planned and runs when its rows are asked for.

    release:       frees its snapshot at the end
    still_allowed: raises when what was allowed at planning no longer is
    """

    rows_affected: int | None = None
    is_endless = False

    def __init__(
        self,
        schema: pa.Schema,
        start: Start,
        statements: RunningStatements,
        statement: RunningStatement,
        release: Callable[[], None],
        still_allowed: Callable[[], None],
    ) -> None:
        self.schema = schema
        self._start = start
        self._statements = statements
        self._statement = statement
        self._release = release
        self._still_allowed = still_allowed
        self._running: Running | None = None
        self.is_ready = False
        statement.state = RunningState.PLANNED
        statement.stop = self._stop

    @property
    def query_id(self) -> str:
        return self._statement.query_id

    def start(self) -> pa.RecordBatchReader:
        """The rows. Called once. Raises Cancelled, InvalidRequest (called twice), PermissionDenied, NotFound."""
        if self._statement.reason is not None:
            raise Cancelled(self._statement.reason)
        if self._running is not None:
            raise InvalidRequest("the rows of this query were fetched already; run it again", sqlstate="24000")
        try:
            self._still_allowed()
            self._running = self._start(self._admit)
        except FrostlineError as error:
            self._end(error)
            raise
        if isinstance(self._running, FinishedQuery):
            return self._ready(self._running)
        self._begin(self._running)
        return pa.RecordBatchReader.from_batches(self.schema, self._counted(self._running))

    def cancel(self, reason: str) -> None:
        """Stop, from any thread, started or not."""
        self._statement.cancel(reason)

    def _admit(self, apart: bool) -> None:
        self._statements.admit(self._statement, never, apart)

    def _begin(self, running: Running) -> None:
        """Raises Cancelled when it was cancelled a moment ago, with nothing there yet that could be stopped."""
        with self._statement.lock:
            reason = self._statement.reason
            if reason is None:
                self._statement.state = RunningState.RUNNING
        if reason is not None:
            running.cancel(Cancelled(reason))
            raise Cancelled(reason)

    def _ready(self, finished: FinishedQuery) -> pa.RecordBatchReader:
        self.is_ready = True
        self._statement.rows, self._statement.bytes = finished.rows, finished.bytes
        self._end(None)
        return finished.reader()

    def _stop(self, reason: FrostlineError) -> None:
        if self._running is not None:
            self._running.cancel(reason)
        self._end(reason)

    def _counted(self, running: Running) -> Iterator[pa.RecordBatch]:
        error: BaseException | None = Cancelled("the reader went away")
        try:
            for batch in running.batches():
                self._statement.rows += batch.num_rows
                self._statement.bytes += batch.nbytes
                yield batch
            error = None
        except FrostlineError as raised:
            error = raised
            raise
        finally:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._statements.end(self._statement, error)
        self._release()


class TableResult:
    """Rows that are there already: SHOW, RETURNING, job answers."""

    rows_affected: int | None = None
    is_ready = True
    is_endless = False

    def __init__(self, table: pa.Table, query_id: str) -> None:
        self.schema = table.schema
        self.query_id = query_id
        self._table = table

    def start(self) -> pa.RecordBatchReader:
        return self._table.to_reader(max_chunksize=8192)

    def cancel(self, reason: str) -> None:
        """Nothing runs."""


class CountResult:
    """A change that has happened."""

    schema = NO_COLUMNS
    is_ready = True
    is_endless = False

    def __init__(self, rows: int, query_id: str) -> None:
        self.rows_affected: int | None = rows
        self.query_id = query_id

    def start(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(NO_COLUMNS, [])

    def cancel(self, reason: str) -> None:
        """It has happened."""


SentResult = RowsResult | TableResult | CountResult
