"""Two engines over the same places: one that runs everything here, one that runs everything apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flight_server.query.apart import Bounds
from flight_server.query.engine import QueryEngine
from flight_server.query.sessions.settings import QuerySettings
from flight_server.sandbox.sandbox import ProcessSandbox
from storage.cold.file_store import FileStores, only_local
from storage.cold.local_store import LocalStore

SETTINGS = QuerySettings(memory_bytes_max=64 << 20, sandbox_bytes_max=256 << 20)


class AllApart(ProcessSandbox):
    """Lets no statement run here."""

    def bounds_of(self, *_: Any) -> Bounds:
        return Bounds(apart="the test says so")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sandbox")
    (path / "cold").mkdir()
    return path


@pytest.fixture(scope="module")
def places(directory: Path) -> FileStores:
    return only_local(LocalStore(directory / "cold"))


@pytest.fixture(scope="module")
def here(directory: Path, places: FileStores) -> Iterator[QueryEngine]:
    engine = QueryEngine(SETTINGS, directory / "here", places)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def apart(directory: Path, places: FileStores) -> Iterator[QueryEngine]:
    spill = directory / "apart"
    engine = QueryEngine(SETTINGS, spill, places, sandbox=AllApart(SETTINGS, spill, places))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def engine(directory: Path, places: FileStores) -> Iterator[QueryEngine]:
    """As the server has it."""
    spill = directory / "server"
    made = QueryEngine(SETTINGS, spill, places, sandbox=ProcessSandbox(SETTINGS, spill, places))
    yield made
    made.close()
