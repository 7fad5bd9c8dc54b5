"""One server for all of these tests, and a namespace for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("sql") / "data") as process:
        yield process


@pytest.fixture
def connect(server: ServerProcess) -> Iterator[Callable[[], Client]]:
    """Opens connections into one new namespace, which is the session's; closed after the test."""
    namespace = f"space{next(_numbers)}"
    with ExitStack() as stack:

        def opened() -> Client:
            client = Client(stack.enter_context(server.connect()), namespace)
            client.do(f"CREATE NAMESPACE IF NOT EXISTS {namespace}; USE {namespace}")
            return client

        yield opened


@pytest.fixture
def client(connect: Callable[[], Client]) -> Client:
    return connect()
