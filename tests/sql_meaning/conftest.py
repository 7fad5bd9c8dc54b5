"""One database for all of these tests, and a namespace for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from flight_server.sql.live.settings import LiveSettings
from storage.clock import SystemClock
from tests.support.in_process import House, house
from tests.support.local_client import LocalClient

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("meaning"), live=LiveSettings(), clock=SystemClock()) as opened:
        yield opened


@pytest.fixture
def connect(home: House) -> Callable[[], LocalClient]:
    """Opens sessions in one new namespace."""
    namespace = f"space{next(_numbers)}"

    def opened() -> LocalClient:
        client = LocalClient(home, home.enter(f"session{next(_numbers)}"), namespace)
        client.do(f"CREATE NAMESPACE IF NOT EXISTS {namespace}; USE {namespace}")
        return client

    return opened


@pytest.fixture
def client(connect: Callable[[], LocalClient]) -> LocalClient:
    return connect()
