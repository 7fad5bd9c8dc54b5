"""Databases open sessions for the records of a file, in this process or over the wire."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from adbc_driver_manager import Error

from storage.catalog.schema import TableKind
from tests.support import storage_builders
from tests.support.in_process import House
from tests.support.local_client import LocalClient
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

_numbers = itertools.count(1)


class Session(Protocol):
    """Runs texts in one namespace. Raises Refused."""

    def table(self, sql: str) -> Any: ...

    def do(self, sql: str) -> int: ...

    def move(self, how: str) -> None:
        """how: "flush" or "compact", every table of the namespace"""


class Database(Protocol):
    def session(self, namespace: str) -> AbstractContextManager[Session]: ...


class Server:
    """A server that `restart` gives a new process on the same data."""

    def __init__(self, directory: Path) -> None:
        self.process = ServerProcess(directory / "data")
        self._start()

    def restart(self) -> None:
        assert self.process.stop() == 0
        self.process = ServerProcess(self.process.data)
        self._start()

    def close(self) -> None:
        self.process.end()

    @contextmanager
    def session(self, namespace: str) -> Iterator[Session]:
        with self.process.connect() as connection:
            yield _WireSession(connection, namespace)

    def _start(self) -> None:
        self.process.start()
        self.process.wait_ready()


class InProcess:
    """A database without a port and without jobs."""

    def __init__(self, home: House) -> None:
        self._home = home

    @contextmanager
    def session(self, namespace: str) -> Iterator[Session]:
        entered = self._home.enter(f"records{next(_numbers)}")
        try:
            yield _LocalSession(self._home, entered, namespace)
        finally:
            self._home.sessions.close(entered.id, 0)


class _WireSession(Client):
    def do(self, sql: str, params: Any = None) -> int:
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(sql, params)
                affected = int(cursor.rowcount)
                cursor.fetch_arrow_table()  # a query may fail at any of its rows
            except Error as error:
                raise Refused(str(error)) from None
            return affected

    def move(self, how: str) -> None:
        if how == "flush":
            self._wait(f"FLUSH ALL IN {self.namespace}")
            return
        stored = "namespace = ? AND kind NOT IN ('view', 'stream')"
        for (name,) in self.rows(f'SELECT "table" FROM system.tables WHERE {stored}', (self.namespace,)):
            self.compact(f'{self.namespace}."{name}"')


class _LocalSession(LocalClient):
    def move(self, how: str) -> None:
        act = storage_builders.flush if how == "flush" else storage_builders.compact
        for table in self.home.engine.state.catalog.tables.values():
            if table.name.namespace == self.namespace and table.kind is not TableKind.STREAM:
                for owned, _ in self.home.engine.users.partitions_of(table):
                    act(self.home.engine, owned)
