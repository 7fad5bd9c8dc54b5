"""SUBSCRIBE opens a live query, a result that does not end; KILL LIVE QUERY ends one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pyarrow as pa

from flight_server.access.principal import Principal
from flight_server.access.rights import Rights
from flight_server.access.sessions.session import Session
from flight_server.parser.statements.live import OptionValue, Subscribe
from flight_server.query.scan.table_scan import RowView
from flight_server.sql.context.results import SentResult
from flight_server.sql.context.running_statements import RunningState, RunningStatement, RunningStatements
from flight_server.sql.context.statement_context import Params, StatementContext
from flight_server.sql.live.live_queries import LiveQueries
from flight_server.sql.live.live_rows import LiveRows
from flight_server.sql.live.selection import Selection, key_of
from flight_server.sql.live.subscription import Reader, Subscription
from storage.catalog.catalog import Catalog
from storage.catalog.schema import TableDef
from storage.catalog.users import Privilege
from storage.commit.replay import check_kept
from storage.errors import Cancelled, Conflict, FrostlineError, InvalidRequest, NotSupported, PermissionDenied
from storage.seq import SEQ_MAX
from storage.state.state import DatabaseState, PartitionState

RightsOf = Callable[[Session], Rights]


class LiveResult:
    """A live query that listens already; its rows come when they are asked for, and go on until something ends it."""

    rows_affected: int | None = None
    is_ready = False
    is_endless = True

    def __init__(
        self, subscription: Subscription, rows: LiveRows, statements: RunningStatements, running: RunningStatement
    ) -> None:
        self.schema = subscription.selection.schema
        self._subscription = subscription
        self._rows = rows
        self._statements = statements
        self._running = running
        self._started = False
        running.state = RunningState.PLANNED
        running.stop = self._stop

    def _stop(self, reason: FrostlineError) -> None:
        self._subscription.end(reason)

    @property
    def query_id(self) -> str:
        return self._running.query_id

    def start(self) -> pa.RecordBatchReader:
        """The rows. Called once. Raises Cancelled, InvalidRequest (called twice), PermissionDenied, NotFound."""
        if self._started:
            raise InvalidRequest("the rows of this query were fetched already; run it again", sqlstate="24000")
        self._started = True
        try:
            self._subscription.raise_if_ended()
        except FrostlineError as error:
            self._statements.end(self._running, error)
            raise
        with self._running.lock:
            if self._running.reason is None:
                self._running.state = RunningState.RUNNING
        return pa.RecordBatchReader.from_batches(self.schema, self._counted())

    def cancel(self, reason: str) -> None:
        """Stop, from any thread, started or not."""
        if not self._running.cancel(reason):
            return
        if not self._started:
            self._statements.end(self._running, Cancelled(reason))

    def _counted(self) -> Iterator[pa.RecordBatch]:
        error: BaseException | None = Cancelled("the reader went away")
        try:
            for batch in self._rows:
                self._running.rows += batch.num_rows
                self._running.bytes += batch.nbytes
                yield batch
        except FrostlineError as raised:
            error = raised
            raise
        finally:
            self._statements.end(self._running, error)


StatementOutcome = SentResult | LiveResult


def subscribe(
    context: StatementContext,
    live: LiveQueries,
    statement: Subscribe,
    statements: RunningStatements,
    running: RunningStatement,
    rights_of: RightsOf,
) -> LiveResult:
    """It listens on return: whatever is committed from then on will be told.

    Raises NotFound, PermissionDenied, NotSupported, InvalidRequest (options, what can't be planned), LimitExceeded.
    """
    table = _table(context, statement)
    params, time_zone = context.params or {}, context.session.time_zone
    # Planned once for all: it takes a millisecond, and memory that the thread would keep for as long as it listens.
    selection = live.selection(table.partition_id, key_of(table, statement, params, time_zone))
    if selection is None:
        selection = Selection(context.services.queries, table, statement, params, time_zone)
    reader = _reader(context, live, statement, running, rights_of, table)
    subscription = live.subscribe(reader, selection)
    assert subscription.listening is not None
    state = subscription.listening.snapshot.state
    try:
        _check_state(context, state, table, reader)
    except FrostlineError as error:
        subscription.end(error)
        raise
    stored = _Stored(context, state, selection, statements, running)
    message_bytes_max = context.services.queries.settings.message_bytes_max
    rows = LiveRows(live, subscription, context.services.engine.file_stores, stored, message_bytes_max)
    return LiveResult(subscription, rows, statements, running)


def live_shape(context: StatementContext, statement: Subscribe) -> tuple[pa.Schema, Mapping[str, pa.DataType]]:
    """(columns, types of the parameters as far as they are known)"""
    selection = Selection(
        context.services.queries, _table(context, statement), statement, context.params, context.session.time_zone
    )
    options = {value: pa.int64() for name, value in statement.options.items() if isinstance(value, str)}
    return selection.schema, {**options, **selection.parameters}


class _Stored:
    """Runs the query for the rows that are there, in a place of its own among the running statements."""

    def __init__(
        self,
        context: StatementContext,
        state: DatabaseState,
        selection: Selection,
        statements: RunningStatements,
        running: RunningStatement,
    ) -> None:
        scope = context.scope()
        # Not the transaction itself, whose snapshot would be held for as long as the live query goes on.
        self._scope = replace(scope, state=replace(state, catalog=context.transaction.catalog), virtual={})
        self._queries = context.services.queries
        self._selection = selection
        self._statements = statements
        self._running = running

    def __call__(self, sql: str) -> Iterator[pa.RecordBatch]:
        plan = self._queries.plan(sql, self._scope, self._selection.params, rows=RowView(system_columns=True))
        try:
            yield from self._queries.stream(plan, self._is_stopped, self._admit)
        finally:
            self._statements.leave_place(self._running)

    def _admit(self, apart: bool) -> None:
        self._statements.admit(self._running, self._is_stopped, apart)

    def _is_stopped(self) -> bool:
        return self._running.reason is not None


def _table(context: StatementContext, statement: Subscribe) -> TableDef:
    name = context.name(statement.table)
    if name.is_temporary:
        raise NotSupported(f"temporary table '{name.table}' can't be subscribed to; nobody but its session changes it")
    if name in context.catalog.views:
        raise NotSupported(f"'{name}' is a view; subscribe to the table that it reads, with its condition")
    if name.is_reserved:
        raise NotSupported(f"'{name}' is a system table, which can't be subscribed to; read it again and again")
    table = context.table(statement.table)
    context.require(Privilege.SELECT, name)
    return table


def _reader(
    context: StatementContext,
    live: LiveQueries,
    statement: Subscribe,
    running: RunningStatement,
    rights_of: RightsOf,
    table: TableDef,
) -> Reader:
    options = {name: _value(name, written, context.params or {}) for name, written in statement.options.items()}
    last_rows = options.get("last_rows")
    if options.get("snapshot") == 0:
        last_rows = 0
    return Reader(
        user=context.session.principal.name,
        text=running.text,
        check=lambda newest: _check_reader(context.session, rights_of, table, newest),
        from_seq=options.get("from_seq"),
        last_rows=last_rows,
        batch_rows=options.get("batch_size") or live.settings.batch_rows,
    )


def _value(name: str, written: OptionValue, params: Params) -> int:
    """An option's value, `snapshot` as 0 or 1. Raises InvalidRequest."""
    value = params[written].as_py() if isinstance(written, str) else written
    least, most = (0, 1) if name == "snapshot" else (int(name == "batch_size"), SEQ_MAX)
    if not isinstance(value, int) or not least <= value <= most:
        kind = "TRUE or FALSE" if name == "snapshot" else f"a whole number from {least} up"
        raise InvalidRequest(f"option {name} of a live query is {kind}, not {str(value)[:40]}")
    return int(value)


def _check_reader(session: Session, rights_of: RightsOf, seen: TableDef, newest: Catalog) -> None:
    """Raises PermissionDenied, NotFound when the caller may not read on."""
    user = newest.users.get(session.principal.name)
    if user is None or not user.is_active:
        raise PermissionDenied(f"user '{session.principal.name}' was dropped")
    now = replace(session, principal=Principal(user.name, user.role))
    rights_of(now).require(Privilege.SELECT, newest.table_by_id(seen).name, newest)


def _check_state(context: StatementContext, state: DatabaseState, table: TableDef, reader: Reader) -> None:
    """Raises Conflict (the table is another one by now), InvalidRequest (from_seq)."""
    if state.catalog.table_by_id(table).version != table.version:
        raise Conflict(f"table '{table.name}' was altered while the statement began; run it again")
    seq = reader.from_seq
    if seq is None:
        return
    if seq > state.last_seq:
        raise InvalidRequest(
            f"from_seq {seq} is newer than the newest _seq, {state.last_seq}: it is of another database"
        )
    check_kept(table, state.partition(table.partition_id), seq, _age_ms(context, state.partition(table.partition_id)))


def _age_ms(context: StatementContext, partition: PartitionState) -> int:
    """The time that tells which events of a stream are past their retention."""
    return context.services.engine.time.now().ageing(partition.oldest_hot_ms)
