"""The SQL half of a server in this process, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from flight_server.access.login.passwords import Passwords
from flight_server.access.principal import Principal
from flight_server.access.sessions.session import Session
from flight_server.access.sessions.sessions import Sessions
from flight_server.parser.grammar.statement import parse_statement
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.text.sql_text import SqlText
from flight_server.query.engine import QueryEngine
from flight_server.query.sessions.settings import QuerySettings
from flight_server.sql.context.default_values import Generator
from flight_server.sql.context.statement_context import Services, StatementContext
from flight_server.sql.executor import StatementExecutor
from flight_server.sql.interface.request import Request, never
from flight_server.sql.live.settings import LiveSettings
from storage.catalog.users import Role, UserRecord
from storage.clock import Clock, ManualClock
from storage.engine import Engine
from storage.settings import StorageSettings
from storage.state.edits import Edit
from tests.support.quick_hasher import quick_hasher

ROOT = Principal("root", Role.SYSTEM)


class House:
    """Engine, queries, sessions and the executor, without a port and without jobs."""

    def __init__(
        self,
        engine: Engine,
        queries: QueryEngine,
        clock: Clock,
        idle_seconds_max: float,
        live: LiveSettings | None = None,
        user_grace_ms: int = 0,
    ) -> None:
        self.engine = engine
        self.queries = queries
        self.clock: Any = clock  # a ManualClock where a test moves it
        self.sessions = Sessions(clock, idle_seconds_max)
        no_jobs: Any = None
        services = Services(
            engine, queries, no_jobs, clock, Generator(clock, engine.time), Passwords(quick_hasher()), user_grace_ms
        )
        self.statements = StatementExecutor(services, GuardLimits(), self.sessions, {}, live)

    def enter(self, id_: str = "s", principal: Principal = ROOT) -> Session:
        """A session without a running call."""
        session = self.sessions.enter(id_, principal)
        self.sessions.leave(session)
        return session

    def do(self, session: Session, sql: str) -> pa.Table:
        outcome = self.statements.run(Request(session, sql))
        return outcome.start().read_all()

    @contextmanager
    def running(self, session: Session, sql: str) -> Iterator[tuple[StatementContext, Any]]:
        """A statement about to run in a transaction of its own, which nothing commits: its context, and what was read.
        It may be run again under the same context."""
        transaction = self.engine.begin(session.temporary, session.principal.name)
        try:
            context = self.statements._scopes.context(session, transaction, never)
            yield replace(context, text=sql), parse_statement(SqlText(sql))
        finally:
            transaction.rollback()

    def value(self, session: Session, sql: str) -> Any:
        [row] = self.do(session, sql).to_pylist()
        [value] = row.values()
        return value


@contextmanager
def house(
    directory: Path,
    storage: StorageSettings | None = None,
    idle_seconds_max: float = 100.0,
    live: LiveSettings | None = None,
    clock: Clock | None = None,
    user_grace_ms: int = 0,
) -> Iterator[House]:
    """Opened on a directory that is empty or was served before, closed afterwards."""
    clock = clock or ManualClock()
    engine = Engine.open(directory / "data", storage or StorageSettings(), clock)
    queries = QueryEngine(QuerySettings(memory_bytes_max=64 << 20), directory / "spill", engine.file_stores)
    if ROOT.name not in engine.state.catalog.users:
        root = UserRecord(name=ROOT.name, role=Role.SYSTEM, password_hash="", created_ms=engine.time.now().database_ms)
        engine.commit(Edit(catalog=lambda catalog: catalog.with_user(root)))
    opened = House(engine, queries, clock, idle_seconds_max, live, user_grace_ms)
    try:
        yield opened
    finally:
        opened.sessions.close_all()
        opened.statements.close()
        queries.close()
        engine.close()
