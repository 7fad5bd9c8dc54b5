"""Two users, a service and a dba on one server, each with a connection into one namespace: for tables of their own."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from types import TracebackType

from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

ROLES = {"ann": "user", "bob": "user", "sam": "service", "dora": "dba"}
_numbers = itertools.count(1)


class Crowd:
    """Names are the server's own for each crowd: `name("ann")`. Use as a context manager."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self._stack = ExitStack()
        self.number = next(_numbers)
        self.namespace = f"crowd{self.number}"
        self.root = Client(self._stack.enter_context(server.connect()), self.namespace)
        # Public: a namespace of which a user knows nothing does not exist for them.
        self.root.do(f"CREATE NAMESPACE {self.namespace}; USE {self.namespace}")
        self.root.do("CREATE TABLE known (a INT) WITH (access_level = 'public')")
        for name, role in ROLES.items():
            self.root.do(f"CREATE USER '{self.name(name)}' WITH PASSWORD '{self.name(name)}' ROLE {role}")
        self.ann, self.bob, self.sam, self.dora = (self.connect(name) for name in ROLES)

    def __enter__(self) -> Crowd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def everybody(self) -> dict[str, Client]:
        return {"ann": self.ann, "bob": self.bob, "sam": self.sam, "dora": self.dora}

    def name(self, who: str) -> str:
        return f"{who}{self.number}"

    def connect(self, who: str) -> Client:
        """One more connection, closed with the others."""
        connection = self.server.connect(user=self.name(who), password=self.name(who))
        client = Client(self._stack.enter_context(connection), self.namespace)
        client.do(f"USE {self.namespace}")
        return client

    def as_user(self, who: str, sql: str) -> str:
        return f"EXECUTE AS USER '{self.name(who)}' ({sql})"

    def filled(self, table: str, columns: str = "id INT PRIMARY KEY, t TEXT") -> str:
        """A new user table in which each of the crowd has the rows 1 and 2, with their name as `t`."""
        self.root.do(f"CREATE USER TABLE {table} ({columns})")
        for who, client in self.everybody.items():
            assert client.do(f"INSERT INTO {table} (id, t) VALUES (1, '{who}'), (2, '{who}')") == 2
        return table
