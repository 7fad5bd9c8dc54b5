"""The executor: what the service calls to run SQL. One text in, an outcome out.

Order of things for each text: the guard looks at it, `?` becomes `$n`, it is cut into statements, each is parsed
and run in turn. A change runs in the session's transaction, or in one of its own that commits at its end; when
somebody else committed first, such a statement simply runs again on what is there now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import pyarrow as pa

from flight_server.access.session_options import set_session_option
from flight_server.access.sessions import Session
from flight_server.ports import StatementShape
from flight_server.sql.bound import run_bound
from flight_server.sql.call import Call, Params, Services
from flight_server.sql.change import run_change
from flight_server.sql.define import define
from flight_server.sql.guard import check_text
from flight_server.sql.guard_limits import GuardLimits
from flight_server.sql.information_schema import information_schema, information_schemas
from flight_server.sql.ingest import ingest_rows
from flight_server.sql.job_statements import job_statement
from flight_server.sql.parameters import number_parameters
from flight_server.sql.parse import parse
from flight_server.sql.result import CountResult, RowsResult, StatementOutcome, TableResult
from flight_server.sql.running import RunningStatement, RunningStatements
from flight_server.sql.shape import shape_of
from flight_server.sql.show import describe, show
from flight_server.sql.split import split_statements
from flight_server.sql.stage_change import Changed
from flight_server.sql.statements import (
    CompactTable,
    DataChange,
    Delete,
    Describe,
    FlushTable,
    Insert,
    KillJob,
    KillQuery,
    Merge,
    Query,
    SetVariable,
    Show,
    Statement,
    TransactionAction,
    TransactionControl,
    Truncate,
    Update,
    Use,
    WaitForJob,
)
from flight_server.sql.system_tables import Sources, system_schemas, system_tables
from flight_server.sql.transactions import SessionTransactions, refuse_savepoint
from flight_server.wire.requests import IngestCommand
from storage.catalog import Catalog
from storage.errors import Conflict, InvalidRequest, NotFound
from storage.names import TableName, quoted
from storage.transaction import Transaction

ATTEMPTS_MAX: Final = 20  # of an autocommit change that others keep beating to it
ATTEMPTS_FREE: Final = 2  # after these it runs alone among those that failed too, so one of them gets through
_SYSTEM_NAMESPACES: Final = ("system", "information_schema")
_Change = Callable[[Call], Changed]


class StatementExecutor:
    """Runs SQL for sessions; safe from any thread. Fits the service's `Statements` port."""

    def __init__(
        self, services: Services, limits: GuardLimits, sessions: Iterable[Session], settings: Mapping[str, object]
    ) -> None:
        """sessions: the open ones, asked anew each time; settings: dotted key -> value, for system.settings."""
        self._services = services
        self._limits = limits
        self._statements = RunningStatements(services.clock)
        self._sources = Sources(services.engine, services.jobs, self._statements, sessions, settings)
        self._transactions = SessionTransactions(services.engine)
        self._turn = threading.Lock()

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
        texts = self._texts(sql)
        running = self._statements.add(session.principal.name, sql)
        outcome: StatementOutcome | None = None
        try:
            for text in texts:
                _drain(outcome)
                outcome = self._one(session, text, _scalars(params), transaction_id, running, cancelled)
        except BaseException as error:
            self._statements.end(running, error)
            raise
        if not isinstance(outcome, RowsResult):
            self._statements.end(running, None)
        assert outcome is not None
        return outcome

    def describe(self, session: Session, sql: str, transaction_id: bytes | None) -> StatementShape:
        """What the text's last statement would do. Executes nothing."""
        check_text(sql, self._limits)
        numbered = number_parameters(sql)
        text = split_statements(numbered.sql)[-1]
        statement = parse(text)
        with self._reading(session, transaction_id) as call:
            return shape_of(_with_text(call, statement, text), statement, numbered.count)

    def run_many(
        self,
        session: Session,
        sql: str,
        batches: Iterable[pa.RecordBatch],
        transaction_id: bytes | None,
        cancelled: Callable[[], bool],
    ) -> int:
        """A change once per row of `batches`, all as one. Returns the rows affected in total."""
        texts = self._texts(sql)
        statement = parse(texts[0])
        if len(texts) > 1 or not isinstance(statement, Insert | Update | Delete | Merge | Truncate):
            raise InvalidRequest("only one INSERT, UPDATE, DELETE or MERGE can be run with many rows of parameters")
        kept = list(batches)
        return self._tracked(
            session,
            sql,
            transaction_id,
            cancelled,
            lambda call: run_bound(_with_text(call, statement, texts[0]), statement, kept),
        ).rows

    def ingest(
        self,
        session: Session,
        command: IngestCommand,
        reader: Iterator[pa.RecordBatch],
        schema: pa.Schema,
        cancelled: Callable[[], bool],
    ) -> int:
        """Store all of `reader` or nothing. Returns the rows stored."""
        text = f"INGEST INTO {command.table}"
        return self._tracked(
            session,
            text,
            command.transaction_id,
            cancelled,
            lambda call: Changed(ingest_rows(call, command, reader, schema)),
            retry=False,
        ).rows

    def begin(self, session: Session) -> bytes:
        return self._transactions.begin(session)

    def end(self, session: Session, transaction_id: bytes, commit: bool) -> None:
        self._transactions.end(session, transaction_id, commit=commit)

    def cancel(self, query_id: str) -> bool:
        return self._statements.cancel(query_id, "the statement was cancelled")

    def catalog(self, session: Session) -> Catalog:
        transaction = self._transactions.joined(session, None)
        return (transaction.transaction if transaction else self._services.engine).state.catalog

    def system_schemas(self) -> Mapping[TableName, pa.Schema]:
        return {**system_schemas(), **information_schemas()}

    def schema_of(self, session: Session, name: TableName) -> pa.Schema:
        with self._reading(session, None) as call:
            return _schema_of(call, name)

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
        statement = parse(text)

        def stop() -> bool:
            return cancelled() or running.reason is not None

        match statement:
            case Query(sql):
                return self._query(session, sql, params, transaction_id, running, stop)
            case Insert() | Update() | Delete() | Merge() | Truncate():
                change = _bind(statement, text, params)
                return _outcome(self._changed(session, transaction_id, stop, change), running)
            case Show() | Describe() | FlushTable() | CompactTable() | KillJob() | WaitForJob():
                return TableResult(self._answer(session, statement, transaction_id, stop), running.query_id)
            case Use() | SetVariable() | TransactionControl() | KillQuery():
                self._control(session, statement, transaction_id)
                return CountResult(0, running.query_id)
            case _:
                changed = self._changed(
                    session, transaction_id, stop, lambda call: define(_with_text(call, statement, text), statement)
                )
                return _outcome(changed, running)

    def _texts(self, sql: str) -> tuple[str, ...]:
        check_text(sql, self._limits)
        return split_statements(number_parameters(sql).sql)

    def _query(
        self,
        session: Session,
        sql: str,
        params: Params | None,
        transaction_id: bytes | None,
        running: RunningStatement,
        stop: Callable[[], bool],
    ) -> RowsResult:
        joined = self._transactions.joined(session, transaction_id)
        transaction = joined.transaction if joined else self._services.engine.begin()
        release = _nothing if joined else transaction.rollback
        try:
            call = self._call(session, transaction, stop)
            plan = self._services.queries.plan(sql, call.scope(), params or {})
        except BaseException:
            release()
            raise
        return RowsResult(plan, self._services.queries, self._statements, running, release)

    def _answer(
        self,
        session: Session,
        statement: Show | Describe | FlushTable | CompactTable | KillJob | WaitForJob,
        transaction_id: bytes | None,
        stop: Callable[[], bool],
    ) -> pa.Table:
        with self._reading(session, transaction_id, stop) as call:
            match statement:
                case Show():
                    return show(call, statement)
                case Describe():
                    return describe(call, statement)
                case _:
                    return job_statement(call, statement)

    def _control(
        self, session: Session, statement: Use | SetVariable | TransactionControl | KillQuery, id_: bytes | None
    ) -> None:
        match statement:
            case Use(namespace):
                self._set(session, "schema", namespace)
            case SetVariable(name, value):
                self._set(session, name, value)
            case KillQuery(query_id):
                self._kill(session, query_id)
            case TransactionControl(action):
                self._transaction(session, action, id_)

    def _set(self, session: Session, name: str, value: str | None) -> None:
        namespaces = {*self.catalog(session).namespaces, *_SYSTEM_NAMESPACES}
        set_session_option(session, name, value, namespaces)

    def _transaction(self, session: Session, action: TransactionAction, transaction_id: bytes | None) -> None:
        match action:
            case TransactionAction.BEGIN:
                self._transactions.begin(session)
            case TransactionAction.COMMIT:
                self._transactions.end(session, transaction_id, commit=True)
            case TransactionAction.ROLLBACK:
                self._transactions.end(session, transaction_id, commit=False)
            case _:
                raise refuse_savepoint()

    def _kill(self, session: Session, query_id: str) -> None:
        found = self._statements.get(query_id)
        mine = found is not None and found.user == session.principal.name
        if found is None or not (mine or session.principal.role in ("dba", "system")):
            raise NotFound(f"query '{query_id[:64]}' is not running", sqlstate="42704")
        found.cancel("the statement was killed (KILL QUERY)")

    # --- changes and their transactions ---------------------------------------------------------------------

    def _tracked(
        self,
        session: Session,
        text: str,
        transaction_id: bytes | None,
        cancelled: Callable[[], bool],
        change: _Change,
        *,
        retry: bool = True,
    ) -> Changed:
        running = self._statements.add(session.principal.name, text)

        def stop() -> bool:
            return cancelled() or running.reason is not None

        try:
            changed = self._changed(session, transaction_id, stop, change, retry=retry)
        except BaseException as error:
            self._statements.end(running, error)
            raise
        self._statements.end(running, None)
        return changed

    def _changed(
        self,
        session: Session,
        transaction_id: bytes | None,
        stop: Callable[[], bool],
        change: _Change,
        *,
        retry: bool = True,
    ) -> Changed:
        """Run a change in the session's transaction, or in one of its own."""
        joined = self._transactions.joined(session, transaction_id)
        if joined is None:
            return self._autocommit(session, stop, change, retry=retry)
        with joined.lock:
            mark = joined.transaction.mark()
            try:
                return change(self._call(session, joined.transaction, stop))
            except BaseException:
                joined.transaction.restore(mark)
                raise

    def _autocommit(self, session: Session, stop: Callable[[], bool], change: _Change, *, retry: bool) -> Changed:
        attempts = ATTEMPTS_MAX if retry else 1
        for attempt in range(1, attempts + 1):
            try:
                if attempt <= ATTEMPTS_FREE:
                    return self._committed(session, stop, change)
                with self._turn:
                    return self._committed(session, stop, change)
            except Conflict:
                if attempt == attempts or stop():
                    raise
        raise AssertionError("not reached")

    def _committed(self, session: Session, stop: Callable[[], bool], change: _Change) -> Changed:
        transaction = self._services.engine.begin()
        try:
            changed = change(self._call(session, transaction, stop))
            transaction.commit(durable=session.durability == "full")
        finally:
            transaction.rollback()
        return changed

    def _reading(
        self, session: Session, transaction_id: bytes | None, stop: Callable[[], bool] | None = None
    ) -> _Reading:
        joined = self._transactions.joined(session, transaction_id)
        transaction = joined.transaction if joined else self._services.engine.begin()
        return _Reading(self._call(session, transaction, stop or _never), close=joined is None)

    def _call(self, session: Session, transaction: Transaction, stop: Callable[[], bool]) -> Call:
        state = transaction.state
        virtual = system_tables(self._sources, state, session.principal)
        call = Call(self._services, session, transaction, stop, virtual=virtual)
        virtual |= information_schema(state.catalog, self.system_schemas(), lambda name: _schema_of(call, name))
        return call


class _Reading:
    """A call that changes nothing; its snapshot is closed at the end."""

    def __init__(self, call: Call, *, close: bool) -> None:
        self._call = call
        self._close = close

    def __enter__(self) -> Call:
        return self._call

    def __exit__(self, *_: object) -> None:
        if self._close:
            self._call.transaction.rollback()


def _scalars(params: pa.RecordBatch | None) -> Params | None:
    if params is None or params.num_columns == 0:
        return None
    if params.num_rows != 1:
        raise InvalidRequest(f"a query takes one row of parameters, not {params.num_rows}")
    return {str(i + 1): column[0] for i, column in enumerate(params.columns)}


def _bind(statement: DataChange, text: str, params: Params | None) -> _Change:
    def change(call: Call) -> Changed:
        call = _with_text(call, statement, text)
        return run_change(call if params is None else call.with_params(params), statement)

    return change


def _with_text(call: Call, statement: Statement, text: str) -> Call:
    return call.with_text(statement.sql if isinstance(statement, Query) else text)


def _outcome(changed: Changed, running: RunningStatement) -> StatementOutcome:
    if changed.returning is not None:
        return TableResult(changed.returning, running.query_id)
    return CountResult(changed.rows, running.query_id)


def _drain(outcome: StatementOutcome | None) -> None:
    """A query that is not the last statement runs for its errors; its rows go nowhere."""
    if isinstance(outcome, RowsResult):
        for _ in outcome.start():
            pass


def _schema_of(call: Call, name: TableName) -> pa.Schema:
    return call.plan(f"SELECT * FROM {quoted(name.namespace)}.{quoted(name.table)}").schema


def _nothing() -> None:
    """A joined transaction outlives its queries."""


def _never() -> bool:
    return False
