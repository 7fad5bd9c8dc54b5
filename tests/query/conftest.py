"""One query engine a module; a small database built by hand a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_server.query import QueryEngine, QuerySettings
from storage.cold.file_store import only_local
from storage.cold.local_store import LocalStore
from tests.support.query_database import Database


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("query")


@pytest.fixture(scope="module")
def queries(directory: Path) -> Iterator[QueryEngine]:
    (directory / "cold").mkdir()
    places = only_local(LocalStore(directory / "cold"))
    engine = QueryEngine(QuerySettings(memory_bytes_max=64 << 20), directory / "spill", places)
    yield engine
    engine.close()


@pytest.fixture
def db(queries: QueryEngine, directory: Path) -> Database:
    return Database(queries, directory / "cold")
