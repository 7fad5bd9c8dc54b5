"""StatementExecutor runs SQL for the service: one text in, an outcome out.

Order of things for each text: the guard looks at it, `?` becomes `$n`, it is cut into statements, each is parsed
and run in turn, within a frame that has its transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import pyarrow as pa

from flight_server.access.sessions.session import Session
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.read_text import read_statement, read_text
from flight_server.parser.statements.backups import BackupDatabase
from flight_server.parser.statements.changes import Delete, Insert, Merge, Truncate, Update
from flight_server.parser.statements.jobs import JobStatement, KillJob
from flight_server.parser.statements.live import KillLiveQuery, Subscribe
from flight_server.parser.statements.session import (
    Describe,
    DescribeQuery,
    KillQuery,
    SetVariable,
    Show,
    TransactionControl,
    Use,
)
from flight_server.parser.statements.statement import Answered, Query, Statement
from flight_server.parser.statements.storages import CheckStorage
from flight_server.parser.statements.users import ExecuteAs
from flight_server.sql.change.change_stage import Changed
from flight_server.sql.change.execute_many import check_bound, run_bound
from flight_server.sql.change.run_change import run_change
from flight_server.sql.context.admission import Admission, Limits
from flight_server.sql.context.parameter_values import bound_values
from flight_server.sql.context.results import CountResult, RowsResult, TableResult
from flight_server.sql.context.running_statements import RunningStatement, RunningStatements
from flight_server.sql.context.session_functions import with_caller
from flight_server.sql.context.session_transactions import ends_transaction
from flight_server.sql.context.statement_context import Params, Services, StatementContext
from flight_server.sql.define.run_definition import event, run_definition
from flight_server.sql.define.storages import check_storage
from flight_server.sql.describe_statement import shape_of, shape_untold
from flight_server.sql.execute_as import acting_session
from flight_server.sql.ingest import ingest_rows
from flight_server.sql.interface import StatementShape
from flight_server.sql.live.live_queries import LiveQueries
from flight_server.sql.live.settings import LiveSettings
from flight_server.sql.live.subscribe import LiveResult, StatementOutcome, subscribe
from flight_server.sql.permissions import check_statement
from flight_server.sql.run_job_statement import job_statement
from flight_server.sql.run_query import QueryStatements
from flight_server.sql.run_session_statement import Control
from flight_server.sql.show.describe_query import described
from flight_server.sql.show.show import describe, show
from flight_server.sql.system.sources import Sources
from flight_server.sql.transaction_scopes import Change, TransactionScopes, relations, schema_of
from flight_server.wire.requests import IngestCommand
from storage.catalog.audit_record import AuditRecord
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.errors import Cancelled, InvalidRequest, NotFound
from storage.state.edits import Edit
from storage.transactions.temporary_tables import with_temporary


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
        self._services = services
        self._limits = limits
        self._statements = _statements(services)
        self._live = LiveQueries(services.engine, live or LiveSettings())
        logins = services.passwords.places
        self.sources = Sources(services.engine, services.jobs, self._statements, self._live, sessions, settings, logins)
        self._frames = TransactionScopes(services, self._statements, self.sources)
        self._queries = QueryStatements(services, self._frames, self._statements)
        self._control = Control(self._frames, self._statements, self._live, self.catalog, self._audit)

    # --- the port -------------------------------------------------------------------------------------------

    def run(
        self,
        session: Session,
        sql: str,
        params: pa.RecordBatch | None,
        transaction_id: bytes | None,
        cancelled: Callable[[], bool],
    ) -> StatementOutcome:
        """One or several statements; a query is planned only, everything else has happened on return."""
        texts = self._texts(sql, 0 if params is None else params.num_columns)
        running = self._statements.add(session.principal.name, sql)
        outcome: StatementOutcome | None = None
        try:
            for text in texts:
                _drain(outcome)
                outcome = self._one(session, text, _scalars(params), transaction_id, running, cancelled)
        except BaseException as error:
            self._statements.end(running, error)
            raise
        if not isinstance(outcome, RowsResult | LiveResult):
            self._statements.end(running, None)
        assert outcome is not None
        return outcome

    def describe(
        self, session: Session, sql: str, transaction_id: bytes | None, params: pa.RecordBatch | None = None
    ) -> StatementShape:
        """What the text's last statement would do, with `params` if they are known. Executes nothing."""
        read = read_text(sql, self._limits)
        text = with_caller(read.texts[-1], session)
        statement = read_statement(text)
        if ends_transaction(statement):
            return shape_untold(statement, read.parameters)
        session.raise_if_lost()

        def shape(call: StatementContext) -> StatementShape:
            return self._shape(session, call, statement, text, read.parameters, _scalars(params))

        try:
            return self._frames.read(session, transaction_id, shape, begins=False)
        except (NotFound, InvalidRequest):
            if len(read.texts) == 1:
                raise
            return shape_untold(statement, read.parameters)  # what it names may come from those before it

    def run_many(
        self,
        session: Session,
        sql: str,
        batches: Iterable[pa.RecordBatch],
        transaction_id: bytes | None,
        cancelled: Callable[[], bool],
    ) -> int:
        """A change once per row of `batches`, all as one. Returns the rows affected in total."""
        kept = list(batches)
        texts = self._texts(sql, kept[0].num_columns if kept else None)
        text = with_caller(texts[0], session)
        statement = read_statement(text)
        session.raise_if_lost()
        if len(texts) > 1 or not isinstance(statement, Insert | Update | Delete | Merge | Truncate):
            if [batch.num_rows for batch in kept] == [1]:
                return _count(self.run(session, sql, kept[0], transaction_id, cancelled))
            raise InvalidRequest("only one INSERT, UPDATE, DELETE or MERGE can be run with many rows of parameters")
        return self._frames.tracked(
            session,
            sql,
            transaction_id,
            cancelled,
            lambda call: run_bound(_ready(call, statement, text, None), statement, kept),
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
        text = f"INGEST INTO {command.table}"
        return self._frames.tracked(
            session,
            text,
            command.transaction_id,
            cancelled,
            lambda call: Changed(ingest_rows(call, command, reader(call.cancelled), schema)),
            retry=False,
        ).rows

    def begin(self, session: Session) -> bytes:
        session.raise_if_lost()
        return self._frames.transactions.begin(session)

    def end(self, session: Session, transaction_id: bytes, commit: bool) -> None:
        self._frames.transactions.end(session, transaction_id, commit=commit)

    def begin_savepoint(self, session: Session, transaction_id: bytes, name: str) -> bytes:
        return self._frames.transactions.begin_savepoint(session, transaction_id, name)

    def end_savepoint(self, session: Session, savepoint_id: bytes, roll_back: bool) -> None:
        transactions = self._frames.transactions
        (transactions.roll_back_to if roll_back else transactions.release_savepoint)(session, savepoint_id)

    def cancel(self, query_id: str) -> bool:
        return self._statements.cancel(query_id, "the statement was cancelled")

    def end_live_queries(self, reason: str) -> None:
        self._live.end_all(Cancelled(reason, sqlstate="57P01"))

    def close(self) -> None:
        """End the threads that wait for changes. Live queries have ended before."""
        self._live.close()

    def catalog(self, session: Session) -> Catalog:
        joined = self._frames.transactions.implied(session)
        newest = self._services.engine.state
        begun = joined.begun if joined is not None else None
        state = begun.state if begun is not None else with_temporary(newest, session.temporary.state)
        return self._frames.rights(session).visible(state.catalog)

    def system_schemas(self, session: Session) -> Mapping[TableName, pa.Schema]:
        return relations(self._frames.rights(session))

    def schema_of(self, session: Session, name: TableName) -> pa.Schema:
        return self._frames.read(session, None, lambda call: schema_of(call, name), begins=False)

    # --- one statement --------------------------------------------------------------------------------------

    def _one(
        self,
        session: Session,
        text: str,
        params: Params | None,
        transaction_id: bytes | None,
        running: RunningStatement,
        cancelled: Callable[[], bool],
    ) -> StatementOutcome:
        text = with_caller(text, session)
        statement = read_statement(text)
        self._tell_ends(session, statement, transaction_id)

        def stop() -> bool:
            return cancelled() or running.reason is not None

        def changed(change: Change) -> StatementOutcome:
            change = self._frames.admitted(running, stop, change)
            return _outcome(self._frames.changed(session, transaction_id, stop, change), running)

        match statement:
            case Query(sql):
                return self._queries.start(session, sql, params, transaction_id, running, stop)
            case Insert() | Update() | Delete() | Merge() | Truncate():
                return changed(lambda call: run_change(_ready(call, statement, text, params), statement))
            case _ if isinstance(statement, Answered):
                answer = self._answer(session, statement, params, transaction_id, stop)
                return TableResult(answer, running.query_id)
            case Subscribe():
                with self._frames.outside(session, transaction_id, "SUBSCRIBE", stop) as call:
                    call = call.with_params(params or {})
                    return subscribe(call, self._live, statement, self._statements, running, self._frames.rights)
            case Use() | SetVariable() | TransactionControl() | KillQuery() | KillLiveQuery():
                self._control.run(session, statement, transaction_id)
                return CountResult(0, running.query_id)
            case ExecuteAs(_, sql):
                acting = self._acting(session, statement)
                self._audit(event(acting, "EXECUTE AS", acting.principal.name, text))
                return self._one(acting, sql, params, transaction_id, running, cancelled)
            case _:
                return changed(lambda call: run_definition(_ready(call, statement, text, params), statement))

    def _tell_ends(self, session: Session, statement: Statement, transaction_id: bytes | None) -> None:
        """Before a statement does anything: what the server ended meanwhile. COMMIT and ROLLBACK are told later.

        Raises SessionLost, TransactionState, NotFound.
        """
        if not ends_transaction(statement):
            session.raise_if_lost()
            self._frames.transactions.joined(session, transaction_id)

    def _shape(
        self,
        session: Session,
        call: StatementContext,
        statement: Statement,
        text: str,
        parameters: int,
        params: Params | None,
    ) -> StatementShape:
        if isinstance(statement, ExecuteAs):
            acting = self._acting(session, statement)
            inner = with_caller(statement.sql, acting)
            call = self._frames.call(acting, call.transaction, call.cancelled)
            return self._shape(acting, call, read_statement(inner), inner, parameters, params)
        return shape_of(_ready(call, statement, text, params), statement, parameters)

    def _acting(self, session: Session, statement: ExecuteAs) -> Session:
        newest = self._services.engine.state.catalog
        return acting_session(session, self._frames.rights(session), statement, newest)

    def _audit(self, record: AuditRecord) -> None:
        """On disk before what it tells of goes on."""
        self._services.engine.commit(Edit(audit=(record,)))

    def _texts(self, sql: str, values: int | None) -> tuple[str, ...]:
        """The statements, `values` being how many parameters were bound; None = not known."""
        read = read_text(sql, self._limits)
        if values is not None:
            check_bound(read.parameters, values)
        return read.texts

    def _answer(
        self,
        session: Session,
        statement: Answered,
        params: Params | None,
        transaction_id: bytes | None,
        stop: Callable[[], bool],
    ) -> pa.Table:
        def answer(call: StatementContext) -> pa.Table:
            match statement:
                case Show():
                    return show(call, statement)
                case Describe():
                    return describe(call, statement)
                case DescribeQuery(sql):
                    return described((call if params is None else call.with_params(params)).plan(sql).schema)
                case CheckStorage():
                    check_statement(call, statement)
                    return check_storage(call, statement)
                case _:
                    check_statement(call, statement)
                    answer = job_statement(call, statement)
                    self._audit_job(session, statement)
                    return answer

        return self._frames.read(session, transaction_id, answer, stop)

    def _audit_job(self, session: Session, statement: JobStatement) -> None:
        match statement:
            case KillJob(job_id):
                self._audit(event(session, "KILL JOB", job_id[:64]))
            case BackupDatabase(uri):
                self._audit(event(session, "BACKUP DATABASE", uri))


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


def _ready(call: StatementContext, statement: Statement, text: str, params: Params | None) -> StatementContext:
    """The call, if its caller may make it. Raises PermissionDenied, NotFound."""
    check_statement(call, statement)
    call = _with_text(call, statement, text)
    return call if params is None else call.with_params(params)


def _count(outcome: StatementOutcome) -> int:
    """The rows affected; those of a query are not asked for."""
    if outcome.rows_affected is None:
        outcome.cancel("only the row count was asked for")
    return outcome.rows_affected or 0


def _with_text(call: StatementContext, statement: Statement, text: str) -> StatementContext:
    return call.with_text(statement.sql if isinstance(statement, Query) else text)


def _outcome(changed: Changed, running: RunningStatement) -> StatementOutcome:
    if changed.returning is not None:
        return TableResult(changed.returning, running.query_id)
    return CountResult(changed.rows, running.query_id)


def _drain(outcome: StatementOutcome | None) -> None:
    """A query that is not the last statement runs for its errors; its rows go nowhere."""
    if isinstance(outcome, LiveResult):
        outcome.cancel("another statement follows it")
        raise InvalidRequest("SUBSCRIBE must be the last statement of its text, since it does not end")
    if isinstance(outcome, RowsResult):
        for _ in outcome.start():
            pass
