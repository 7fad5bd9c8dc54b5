"""Fixtures that several storage tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_server.query import QueryEngine
from flight_server.query.sessions.settings import QuerySettings
from storage.catalog.schema import TableDef
from storage.engine import Engine
from tests.storage.s3_furniture import Cloud, cloud
from tests.support.s3_endpoint import S3Endpoint
from tests.support.storage_builders import make_table


@pytest.fixture
def table(engine: Engine) -> TableDef:
    return make_table(engine)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[S3Endpoint]:
    with S3Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def here(tmp_path: Path, endpoint: S3Endpoint) -> Iterator[Cloud]:
    with cloud(tmp_path / "data", endpoint) as opened_cloud:
        yield opened_cloud


@pytest.fixture
def queries(tmp_path: Path, here: Cloud) -> Iterator[QueryEngine]:
    engine = QueryEngine(QuerySettings(memory_bytes_max=64 << 20), tmp_path / "spill", here.engine.file_stores)
    yield engine
    engine.close()
