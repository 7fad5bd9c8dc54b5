"""Users of every role on one server, each with connections of their own; by driver and by hand."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

import pyarrow.flight as flight

from tests.support.flight_client import Client as Wire
from tests.support.people import NamedPeople
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client


class People(NamedPeople):
    """Use as a context manager: leaving closes all connections."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._stack = ExitStack()
        super().__init__(self._opened)

    def __enter__(self) -> People:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _opened(self, user: str, password: str | None, namespace: str) -> Client:
        return Client(self._stack.enter_context(self.server.connect(user=user, password=password)), namespace)

    def wire(self, role: str) -> Wire:
        """A log-in by hand."""
        return Wire(self, role)  # type: ignore[arg-type]

    def flight(self, role: str) -> tuple[flight.FlightClient, flight.FlightCallOptions]:
        client = self._stack.enter_context(flight.connect(self.server.uri))
        token = client.authenticate_basic_token(self.name(role), self.password(role))
        return client, flight.FlightCallOptions(headers=[token])
