"""StatementExecutor runs SQL for the service: one request in, one result out.

A text is read (guarded, numbered, cut, parsed); each of its statements is bound to its values, and runs as its row in
the table of statements says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import pyarrow as pa

from flight_server.access.sessions.session import Session
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.read_text import ReadText, read_statement, read_text
from flight_server.parser.statements.changes import DataChange
from flight_server.parser.statements.statement import Statement
from flight_server.parser.statements.users import ExecuteAs
from flight_server.parser.text.sql_text import SqlText
from flight_server.sql.change.execute_many import check_bound, run_bound
from flight_server.sql.context.admission import Admission, Limits
from flight_server.sql.context.audit_event import audit, event
from flight_server.sql.context.parameter_values import bound_values
from flight_server.sql.context.running_statements import RunningStatement, RunningStatements
from flight_server.sql.context.session_functions import words_of
from flight_server.sql.context.statement_context import Params, Services
from flight_server.sql.describe_statement import shape_untold
from flight_server.sql.execute_as import acting_session, check_lent
from flight_server.sql.interface.request import Request, never
from flight_server.sql.interface.statement_result import StatementResult
from flight_server.sql.interface.statement_shape import StatementShape
from flight_server.sql.interface.stored_batch import StoredBatch
from flight_server.sql.live.live_queries import LiveQueries
from flight_server.sql.live.settings import LiveSettings
from flight_server.sql.run.acknowledged_ingest import AcknowledgedIngest
from flight_server.sql.run.in_scope import run_change_in_scope
from flight_server.sql.run.ingest import ingest_rows
from flight_server.sql.run.insert_at_once import insert_at_once
from flight_server.sql.run.insert_combiner import InsertCombiners
from flight_server.sql.scopes.session_transactions import ends_transaction
from flight_server.sql.scopes.statement_run import BoundStatement, Execution, StatementKind, StatementRun
from flight_server.sql.scopes.transaction_scopes import TransactionScopes
from flight_server.sql.statement_kinds import KINDS
from flight_server.sql.system.relations import VirtualTables, relations, schema_of
from flight_server.sql.system.sources import Sources
from flight_server.wire.requests import IngestCommand
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.errors import Cancelled, InvalidRequest, NotFound, PermissionDenied


class StatementExecutor:
    """Runs SQL for sessions; safe from any thread. Fits the service's `Statements` port."""

    def __init__(
        self,
        services: Services,
        limits: GuardLimits,
        sessions: Iterable[Session],
        settings: Mapping[str, object],
        live: LiveSettings | None = None,
    ) -> None:
        """sessions: the open ones, asked anew each time; settings: dotted key -> value, for system.settings."""
        engine, logins = services.engine, services.passwords.hash_queue
        statements, self._live = _statements(services), LiveQueries(engine, live or LiveSettings())
        self.sources = Sources(
            engine, services.jobs, statements, self._live, sessions, settings, logins, services.queries.results
        )
        self._limits = limits
        self._engine = engine
        self._statements = statements
        self._scopes = TransactionScopes(services, statements, partial(VirtualTables, self.sources))
        self._execution = Execution(services, self._scopes, statements, self._live)
        self._combiners = InsertCombiners(engine)

    # --- the port -------------------------------------------------------------------------------------------

    def run(self, request: Request) -> StatementResult:
        """One or several statements; a query is planned only, everything else has happened on return."""
        read = self._read(request.sql, 0 if request.params is None else request.params.num_columns)
        params = _scalars(request.params)
        running = self._statements.add(request.session.principal.name, request.sql, request.cancelled)
        result: StatementResult | None = None
        try:
            for text in read.texts:
                _drain(result)
                run = self._run(request, text, params, running)
                result = run.bound.kind.run(self._execution, run)
        except BaseException as error:
            self._statements.end(running, error)
            raise
        assert result is not None
        if result.is_ready:
            self._statements.end(running, None)
        return result

    def describe(self, request: Request) -> StatementShape:
        """What the text's last statement would do. Executes nothing."""
        read = read_text(request.sql, self._limits)
        session = request.session
        statement, text = read_statement(read.texts[-1], partial(words_of, session))
        if ends_transaction(statement):
            return shape_untold(_kind(statement), statement, read.parameters)
        session.raise_if_lost()
        session, bound = self._bound(session, statement, text, _scalars(request.params))
        request = replace(request, session=session)
        try:
            for attempt in self._scopes.reads(request, never, begins=False):
                with attempt as context:
                    shape = bound.kind.describe(bound.allowed(context), bound.statement, read.parameters)
        except (NotFound, InvalidRequest):
            if len(read.texts) == 1:
                raise
            # What it names may come from those before it.
            return shape_untold(bound.kind, bound.statement, read.parameters)
        return shape

    def run_many(self, request: Request, batches: Iterable[pa.RecordBatch]) -> int:
        """A change once per row of `batches`, all as one. Returns the rows affected in total."""
        kept = list(batches)
        read = self._read(request.sql, kept[0].num_columns if kept else None)
        session = request.session
        statement, text = read_statement(read.texts[0], partial(words_of, session))
        session.raise_if_lost()
        if len(read.texts) > 1 or not isinstance(statement, DataChange):
            if [batch.num_rows for batch in kept] == [1]:
                return _count(self.run(replace(request, params=kept[0])))
            raise InvalidRequest("only one INSERT, UPDATE, DELETE or MERGE can be run with many rows of parameters")
        _, bound = self._bound(session, statement, text, None)
        with self._statements.listed(session.principal.name, request.sql, request.cancelled) as running:
            run = StatementRun(request, bound, running)
            rows = insert_at_once(self._execution, run, kept)
            if rows is not None:
                return rows
            return run_change_in_scope(
                self._execution, run, lambda context, change: run_bound(context, change, kept)
            ).rows

    def ingest(
        self,
        session: Session,
        command: IngestCommand,
        reader: Callable[[Callable[[], bool]], Iterator[pa.RecordBatch]],
        schema: pa.Schema,
        cancelled: Callable[[], bool],
    ) -> int:
        """Store all of `reader` or nothing. Returns the rows stored."""
        session.raise_if_lost()
        request = Request(session, f"INGEST INTO {command.table}", command.transaction_id, None, cancelled)
        with self._statements.listed(session.principal.name, request.sql, cancelled) as running:
            # Once alone: the rows come but once.
            for attempt in self._scopes.changes(request, running, repeats=False):
                with attempt as context:
                    rows = ingest_rows(context, command, reader(context.cancelled), schema)
        return 0 if attempt.was_discarded else rows

    def ingest_each(
        self,
        session: Session,
        command: IngestCommand,
        reader: Callable[[Callable[[], bool]], Iterator[pa.RecordBatch]],
        schema: pa.Schema,
        cancelled: Callable[[], bool],
    ) -> Iterator[StoredBatch]:
        """Store each batch of `reader` by itself; what became of it comes before the next is read."""
        session.raise_if_lost()
        request = Request(session, f"INGEST INTO {command.table}", command.transaction_id, None, cancelled)
        with self._statements.listed(session.principal.name, request.sql, cancelled) as running:
            ingest = AcknowledgedIngest(self._execution, self._combiners, request, command, schema, running)
            yield from ingest.store(reader(running.is_stopped))

    def begin(self, session: Session) -> bytes:
        session.raise_if_lost()
        return self._scopes.transactions.begin(session)

    def end(self, session: Session, transaction_id: bytes, commit: bool) -> None:
        self._scopes.transactions.end(session, transaction_id, commit=commit)

    def begin_savepoint(self, session: Session, transaction_id: bytes, name: str) -> bytes:
        return self._scopes.transactions.begin_savepoint(session, transaction_id, name)

    def end_savepoint(self, session: Session, savepoint_id: bytes, roll_back: bool) -> None:
        transactions = self._scopes.transactions
        (transactions.roll_back_to if roll_back else transactions.release_savepoint)(session, savepoint_id)

    def cancel(self, query_id: str) -> bool:
        return self._statements.cancel(query_id, "the statement was cancelled")

    def end_live_queries(self, reason: str) -> None:
        self._live.end_all(Cancelled(reason, sqlstate="57P01"))

    def close(self) -> None:
        """End the threads that wait for changes. Live queries have ended before."""
        self._live.close()

    def catalog(self, session: Session) -> Catalog:
        return self._scopes.visible_catalog(session)

    def system_schemas(self, session: Session) -> Mapping[TableName, pa.Schema]:
        return relations(self._scopes.rights(session))

    def schema_of(self, session: Session, name: TableName) -> pa.Schema:
        for attempt in self._scopes.reads(Request(session, ""), never, begins=False):
            with attempt as context:
                schema = schema_of(context, name)
        return schema

    # --- one statement --------------------------------------------------------------------------------------

    def _read(self, sql: str, values: int | None) -> ReadText:
        """The statements, `values` being how many parameters were bound; None = not known."""
        read = read_text(sql, self._limits)
        if values is not None:
            check_bound(read.parameters, values)
        return read

    def _run(self, request: Request, text: SqlText, params: Params | None, running: RunningStatement) -> StatementRun:
        """Raises SessionLost, TransactionState, NotFound: what the server ended meanwhile is told before a statement
        does anything, but for COMMIT and ROLLBACK, which are told later."""
        session = request.session
        statement, written = read_statement(text, partial(words_of, session))
        if not ends_transaction(statement):
            session.raise_if_lost()
            self._scopes.transactions.joined(session, request.transaction_id)
        user, bound = self._bound(session, statement, written, params)
        if user is not session:
            audit(self._engine, event(user, "EXECUTE AS", user.principal.name, written))
            request = replace(request, session=user)
        return StatementRun(request, bound, running)

    def _bound(
        self, session: Session, statement: Statement, text: str, params: Params | None
    ) -> tuple[Session, BoundStatement]:
        """Who runs which statement: for EXECUTE AS somebody else the one in it. Raises PermissionDenied, NotSupported.

        text: that it was read from
        """
        if not isinstance(statement, ExecuteAs):
            return session, BoundStatement(_kind(statement), statement, text, params)
        acting = acting_session(session, self._scopes.rights(session), statement, self._engine.state.catalog)
        inner, text = read_statement(SqlText(statement.sql), partial(words_of, acting))
        check_lent(KINDS.get(type(inner)))
        return acting, BoundStatement(_kind(inner), inner, text, params)


def _kind(statement: Statement) -> StatementKind:
    kind = KINDS.get(type(statement))
    if kind is None:
        raise PermissionDenied("nobody may run this kind of statement")
    return kind


def _statements(services: Services) -> RunningStatements:
    query, clock = services.queries.settings, services.clock
    all_of_them = Limits(query.running_max, query.running_per_user_max, query.queue_seconds_max)
    names = ("query.sandboxed_max", "query.sandboxed_per_user_max")
    apart = Limits(query.sandboxed_max, query.sandboxed_per_user_max, query.queue_seconds_max, names)
    return RunningStatements(clock, Admission(all_of_them, clock), Admission(apart, clock))


def _scalars(params: pa.RecordBatch | None) -> Params | None:
    if params is None or params.num_columns == 0:
        return None
    if params.num_rows != 1:
        raise InvalidRequest(f"a query takes one row of parameters, not {params.num_rows}")
    return bound_values(params)


def _count(result: StatementResult) -> int:
    """The rows affected; those of a query are not asked for."""
    if result.rows_affected is None:
        result.cancel("only the row count was asked for")
    return result.rows_affected or 0


def _drain(result: StatementResult | None) -> None:
    """A query that is not the last statement runs for its errors; its rows go nowhere."""
    if result is None or result.is_ready:
        return
    if result.is_endless:
        result.cancel("another statement follows it")
        raise InvalidRequest("SUBSCRIBE must be the last statement of its text, since it does not end")
    for _ in result.start():
        pass
