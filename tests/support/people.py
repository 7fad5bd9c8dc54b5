"""Users of every role of one database, in a namespace that nobody else uses."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from tests.support.sql_client import Client

ROLES = ("user", "service", "dba", "system")
_numbers = itertools.count(1)


class NamedPeople:
    """One user a role. Names are the database's own for each of these."""

    def __init__(self, open_session: Callable[[str, str | None, str], Client]) -> None:
        """open_session: for a user, with a password (None: root's own), and a namespace; who gives it closes it"""
        self._open_session = open_session
        self._number = next(_numbers)
        self.namespace = f"people{self._number}"
        self.root = open_session("root", None, self.namespace)
        self.root.do(f"CREATE NAMESPACE {self.namespace}; USE {self.namespace}")
        self.root.do(f"CREATE USER '{self.name('bystander')}'")
        for role in ROLES:
            self.root.do(f"CREATE USER '{self.name(role)}' WITH PASSWORD '{self.password(role)}' ROLE {role}")

    def name(self, role: str) -> str:
        return f"{role}_{self._number}"

    def password(self, role: str) -> str:
        return f"secret of {self.name(role)}"

    def connect(self, role: str, password: str | None = None) -> Client:
        """One more session, in the namespace if the role may know of it."""
        client = self._open_session(self.name(role), password or self.password(role), self.namespace)
        if self.namespace in [row[0] for row in client.rows("SHOW NAMESPACES")]:
            client.do(f"USE {self.namespace}")
        return client
