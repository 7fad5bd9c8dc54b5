"""Users of every role on one server, each with connections of their own; by driver and by hand."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from types import TracebackType

import pyarrow.flight as flight

from tests.support.flight_client import Client as Wire
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

ROLES = ("user", "service", "dba", "system")
_numbers = itertools.count(1)


class People:
    """One user a role, in a namespace that nobody else uses. Use as a context manager."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._stack = ExitStack()
        self._number = next(_numbers)
        self.namespace = f"people{self._number}"
        self.root = Client(self._stack.enter_context(server.connect()), self.namespace)
        self.root.do(f"CREATE NAMESPACE {self.namespace}; USE {self.namespace}")
        self.root.do(f"CREATE USER '{self.name('bystander')}'")
        for role in ROLES:
            self.root.do(f"CREATE USER '{self.name(role)}' WITH PASSWORD '{self.password(role)}' ROLE {role}")

    def __enter__(self) -> People:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def name(self, role: str) -> str:
        return f"{role}_{self._number}"

    def password(self, role: str) -> str:
        return f"secret of {self.name(role)}"

    def connect(self, role: str, password: str | None = None) -> Client:
        """A connection that is closed with all the others, in the namespace if the role may know of it."""
        connection = self.server.connect(user=self.name(role), password=password or self.password(role))
        client = Client(self._stack.enter_context(connection), self.namespace)
        if self.namespace in [row[0] for row in client.rows("SHOW NAMESPACES")]:
            client.do(f"USE {self.namespace}")
        return client

    def wire(self, role: str) -> Wire:
        """A log-in by hand."""
        return Wire(self, role)  # type: ignore[arg-type]

    def flight(self, role: str) -> tuple[flight.FlightClient, flight.FlightCallOptions]:
        client = self._stack.enter_context(flight.connect(self.server.uri))
        token = client.authenticate_basic_token(self.name(role), self.password(role))
        return client, flight.FlightCallOptions(headers=[token])
