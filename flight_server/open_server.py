"""`open_server` builds everything between an open data directory and an answering port, in that order.

users    root exists, tokens can be signed
queries  the engine with its spill directory, emptied of what a crash left
service  the Flight server: it answers from its construction on, so it comes last
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import structlog

from flight_server.access.login.authenticator import Authenticator
from flight_server.access.login.idp import IdentityProvider, is_configured
from flight_server.access.login.login_audit import LoginAudit
from flight_server.access.login.passwords import Passwords, prepare_root
from flight_server.access.login.tokens import Tokens, stored_key
from flight_server.access.sessions.held_file import HeldFile
from flight_server.access.sessions.sessions import LOST_SECONDS, SessionLimits, Sessions
from flight_server.access.settings import AccessSettings
from flight_server.flight.certificates import read_tls
from flight_server.flight.listen_address import AddressUnavailable, flight_uri, is_loopback
from flight_server.flight.service import FlightService
from flight_server.flight.settings import ServerSettings, WireSettings
from flight_server.metadata.sql_info import ServerFacts
from flight_server.monitoring.metrics import Metrics
from flight_server.parser.guard.limits import GuardLimits
from flight_server.query.engine import QueryEngine
from flight_server.query.sessions.file_turnover import FileTurnover
from flight_server.query.sessions.settings import QuerySettings
from flight_server.sandbox.sandbox import ProcessSandbox
from flight_server.settings import flat
from flight_server.sql.context.default_values import Generator
from flight_server.sql.context.job_service import JobService
from flight_server.sql.context.statement_context import Services
from flight_server.sql.define.users import without_gone
from flight_server.sql.executor import StatementExecutor
from flight_server.sql.live.settings import LiveSettings
from storage.catalog.audit_record import AuditRecord
from storage.clock import DAY_MS, Clock
from storage.engine import Engine
from storage.state.edits import Edit
from storage.state.state import live_files

# In the data directory, beside what storage keeps there.
TOKEN_KEY_FILE: Final = "token.key"  # noqa: S105  (a file name)
HELD_FILE: Final = "sessions.held"
SPILL_DIRECTORY: Final = "spill"


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """The sections of the settings file that are the front's; the composition root adds the other rooms'."""

    server: ServerSettings = ServerSettings()
    query: QuerySettings = QuerySettings()
    guard: GuardLimits = GuardLimits()
    access: AccessSettings = AccessSettings()
    wire: WireSettings = WireSettings()
    live: LiveSettings = LiveSettings()


@dataclass(frozen=True, slots=True)
class OpenServer:
    """A server that answers. `generated_root_password` is set at a first start without a chosen one."""

    service: FlightService
    statements: StatementExecutor
    queries: QueryEngine
    metrics: Metrics
    uri: str
    generated_root_password: str | None

    def close(self, drain_seconds_max: float) -> None:
        """Refuse new calls, let running ones end for so long, cancel the rest, give up the port. Blocks."""
        self.service.shut_down(drain_seconds_max)
        self.statements.close()
        self.queries.close()


def open_server(
    engine: Engine, jobs: JobService, settings: FrontSettings, clock: Clock, chosen_password: str | None
) -> OpenServer:
    """Blocks. Raises: InvalidRequest (TLS files, password), StorageUnavailable, AddressUnavailable."""
    tls = read_tls(settings.server, clock)
    provider = IdentityProvider(settings.access, clock) if is_configured(settings.access) else None
    passwords = Passwords()
    generated = _users(engine, passwords, chosen_password, settings.access)
    tokens = Tokens(stored_key(engine.directory / TOKEN_KEY_FILE), clock, settings.access.token_seconds)
    audit = LoginAudit(lambda record: _write_audit(engine, record), clock)
    sessions = _sessions(engine, settings.access, clock)
    authenticator = Authenticator(
        lambda: engine.state.catalog.users,
        passwords,
        tokens,
        clock,
        settings.access,
        audit,
        sessions.kept_epoch,
        provider,
    )
    queries = _queries(engine, settings.query)
    services = Services(
        engine=engine,
        queries=queries,
        jobs=jobs,
        clock=clock,
        defaults=Generator(clock, engine.time),
        passwords=passwords,
        user_grace_ms=settings.access.dropped_user_days * DAY_MS,
    )
    shown_settings = {name: str(value) for name, value in flat(settings).items()}
    statements = StatementExecutor(services, settings.guard, sessions, shown_settings, settings.live)
    server = settings.server
    try:
        service = FlightService(
            host=f"[{server.host}]" if ":" in server.host else server.host,
            port=server.port,
            statements=statements,
            authenticator=authenticator,
            sessions=sessions,
            clock=clock,
            access=settings.access,
            wire=settings.wire,
            facts=_facts(settings),
            calls_max=server.rpc_concurrent_max,
            calls_per_user_max=server.rpc_per_user_max,
            calls_reserved=server.rpc_reserved,
            upload_idle_seconds=server.upload_idle_seconds,
            statement_seconds_max=settings.query.statement_seconds_max,
            log=structlog.get_logger("service"),
            tls=tls,
            is_local=is_loopback(server.host),
        )
    except OSError as error:
        queries.close()
        raise AddressUnavailable(f"can't listen on {server.host}:{server.port}; set server.port or --port") from error
    uri = flight_uri(server.host, service.port, tls=tls is not None)
    metrics = Metrics(statements.sources, version("frostline"))
    return OpenServer(service, statements, queries, metrics, uri, generated)


def _queries(engine: Engine, settings: QuerySettings) -> QueryEngine:
    spill_directory = engine.directory / SPILL_DIRECTORY
    sandbox = ProcessSandbox(settings, spill_directory, engine.file_stores)
    turnover = FileTurnover(lambda: engine.rows.files_gone, lambda: len(live_files(engine.state)))
    return QueryEngine(settings, spill_directory, engine.file_stores, sandbox=sandbox, turnover=turnover)


def _facts(settings: FrontSettings) -> ServerFacts:
    return ServerFacts(
        version=version("frostline"),
        session_idle_seconds=settings.access.session_idle_seconds,
        transaction_idle_seconds=settings.access.transaction_idle_seconds,
        sql_length_bytes_max=settings.guard.text_bytes_max,
    )


def _sessions(engine: Engine, access: AccessSettings, clock: Clock) -> Sessions:
    limits = SessionLimits(access.sessions_max, access.sessions_per_user_max, access.sessions_administrators)
    kept_ms = round(max(access.token_seconds, LOST_SECONDS) * 1000)
    held = HeldFile(engine.directory / HELD_FILE, clock.wall_ms(), kept_ms)
    return Sessions(clock, access.session_idle_seconds, limits=limits, held=held)


def _users(engine: Engine, passwords: Passwords, chosen: str | None, access: AccessSettings) -> str | None:
    """See to it that root exists, with the `chosen` password if any; returns a generated one.

    Whoever was dropped long enough ago is forgotten.
    """
    passwords.warm()
    setup = prepare_root(engine.state.catalog, chosen, passwords, engine.time.now().database_ms)
    if setup.record is not None:
        record = setup.record
        engine.commit(Edit(catalog=lambda catalog: catalog.with_user(record)))
    grace_ms = access.dropped_user_days * DAY_MS
    settled = engine.time.settled()
    if without_gone(engine.state.catalog, settled, grace_ms) is not engine.state.catalog:
        engine.commit(Edit(catalog=lambda catalog: without_gone(catalog, settled, grace_ms)))
    return setup.generated_password


def _write_audit(engine: Engine, record: AuditRecord) -> None:
    """Not waited for: a guesser must not set the pace of the disk."""
    engine.commit(Edit(audit=(record,), durable=False))
