"""A running service over real gRPC, with the small statements of `fake_statements`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import adbc_driver_flightsql.dbapi
import pyarrow.flight as flight
import pytest
import structlog

from flight_server.access.login.authenticator import Authenticator
from flight_server.access.login.passwords import Passwords
from flight_server.access.login.tokens import Tokens
from flight_server.access.sessions.sessions import Sessions
from flight_server.access.settings import AccessSettings
from flight_server.flight.service import FlightService
from flight_server.flight.settings import WireSettings
from flight_server.metadata.sql_info import ServerFacts
from storage.catalog.users import UserRecord
from storage.clock import ManualClock
from tests.support.quick_hasher import quick_hasher
from tests.wire.fake_statements import FakeStatements

QUICK = Passwords(quick_hasher())
ACCESS = AccessSettings(prepared_statements_max=20)


@dataclass
class Running:
    """The server under test and the pieces that tests look at."""

    service: FlightService
    statements: FakeStatements
    sessions: Sessions
    clock: ManualClock
    log: structlog.testing.LogCapture
    tokens: Tokens

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self.service.port}"

    def connect(self, user: str = "root", password: str = "secret", autocommit: bool = True):
        return adbc_driver_flightsql.dbapi.connect(
            self.uri, db_kwargs={"username": user, "password": password}, autocommit=autocommit
        )

    def flight(
        self, user: str = "root", password: str = "secret"
    ) -> tuple[flight.FlightClient, flight.FlightCallOptions]:
        client = flight.FlightClient(self.uri, generic_options=[("grpc.use_local_subchannel_pool", 1)])
        token = client.authenticate_basic_token(user, password)
        return client, flight.FlightCallOptions(headers=[token])


def start(
    calls_max: int = 50,
    statement_seconds_max: float = 0.0,
    wire: WireSettings | None = None,
    calls_per_user_max: int | None = None,
    calls_reserved: int = 0,
    access: AccessSettings = ACCESS,
) -> Running:
    clock = ManualClock()
    users = {
        name: UserRecord(name=name, role="system", password_hash=QUICK.hash("secret")) for name in ("root", "anna")
    }
    users["bert"] = UserRecord(name="bert", role="user", password_hash=QUICK.hash("secret"))
    tokens = Tokens(b"k" * 32, clock, ACCESS.token_seconds)
    sessions = Sessions(clock, ACCESS.session_idle_seconds)
    statements = FakeStatements()
    capture = structlog.testing.LogCapture()
    service = FlightService(
        host="127.0.0.1",
        port=0,
        statements=statements,
        authenticator=Authenticator(lambda: users, QUICK, tokens, clock, ACCESS),
        sessions=sessions,
        clock=clock,
        access=access,
        wire=wire or WireSettings(bound_rows_max=10_000),
        facts=ServerFacts(version="1.2.3"),
        calls_max=calls_max,
        calls_per_user_max=calls_per_user_max,
        calls_reserved=calls_reserved,
        statement_seconds_max=statement_seconds_max,
        log=structlog.wrap_logger(None, processors=[capture]),
    )
    return Running(service, statements, sessions, clock, capture, tokens)


@pytest.fixture
def server() -> Iterator[Running]:
    running = start()
    yield running
    running.service.shut_down(0)
