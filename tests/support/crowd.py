"""Two users, a service and a dba of one database, each with a session in one namespace: for tables of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from tests.support.sql_client import Client

ROLES = {"ann": "user", "bob": "user", "sam": "service", "dora": "dba"}
_numbers = itertools.count(1)


class Crowd:
    """Names are the database's own for each crowd: `name("ann")`."""

    def __init__(self, open_session: Callable[[str, str], Client]) -> None:
        """open_session: for a user, whose name is the password, and a namespace; who gives it closes it"""
        self._open_session = open_session
        self.number = next(_numbers)
        self.namespace = f"crowd{self.number}"
        self.root = open_session("root", self.namespace)
        # Public: a namespace of which a user knows nothing does not exist for them.
        self.root.do(f"CREATE NAMESPACE {self.namespace}; USE {self.namespace}")
        self.root.do("CREATE TABLE known (a INT) WITH (access_level = 'public')")
        for name, role in ROLES.items():
            self.root.do(f"CREATE USER '{self.name(name)}' WITH PASSWORD '{self.name(name)}' ROLE {role}")
        self.ann, self.bob, self.sam, self.dora = (self.connect(name) for name in ROLES)

    @property
    def everybody(self) -> dict[str, Client]:
        return {"ann": self.ann, "bob": self.bob, "sam": self.sam, "dora": self.dora}

    def name(self, who: str) -> str:
        return f"{who}{self.number}"

    def connect(self, who: str) -> Client:
        """One more session."""
        client = self.visitor(self.name(who))
        client.do(f"USE {self.namespace}")
        return client

    def visitor(self, name: str) -> Client:
        """A session of a user of that very name, who has entered no namespace."""
        return self._open_session(name, self.namespace)

    def as_user(self, who: str, sql: str) -> str:
        return f"EXECUTE AS USER '{self.name(who)}' ({sql})"

    def filled(self, table: str, columns: str = "id INT PRIMARY KEY, t TEXT") -> str:
        """A new user table in which each of the crowd has the rows 1 and 2, with their name as `t`."""
        self.root.do(f"CREATE USER TABLE {table} ({columns})")
        for who, client in self.everybody.items():
            assert client.do(f"INSERT INTO {table} (id, t) VALUES (1, '{who}'), (2, '{who}')") == 2
        return table
