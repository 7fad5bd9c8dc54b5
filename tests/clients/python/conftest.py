"""One server for all Python clients, and a namespace of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.server_process import ROOT_PASSWORD, ServerProcess

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("python") / "data") as process:
        yield process


@pytest.fixture
def namespace(server: ServerProcess) -> str:
    name = f"python{next(_numbers)}"
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE NAMESPACE {name}")
    return name


@pytest.fixture
def connect(server: ServerProcess, namespace: str) -> Iterator[Callable[..., Any]]:
    """Opens ADBC connections into the test's namespace, closed after it."""
    from adbc_driver_flightsql import dbapi

    with ExitStack() as stack:

        def opened(*, autocommit: bool = True, **options: str) -> Any:
            return stack.enter_context(
                dbapi.connect(
                    server.uri,
                    db_kwargs={"username": "root", "password": ROOT_PASSWORD, **options},
                    conn_kwargs={"adbc.connection.db_schema": namespace},
                    autocommit=autocommit,
                )
            )

        yield opened


@pytest.fixture
def db(connect: Callable[..., Any]) -> Any:
    """A connection that commits each statement."""
    return connect()


@pytest.fixture
def cursor(db: Any) -> Iterator[Any]:
    with db.cursor() as opened:
        yield opened
