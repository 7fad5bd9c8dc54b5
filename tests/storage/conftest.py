"""Fixtures that several storage tests share."""

from __future__ import annotations

import pytest

from storage.catalog.schema import TableDef
from storage.engine import Engine
from tests.support.storage_builders import make_table


@pytest.fixture
def table(engine: Engine) -> TableDef:
    return make_table(engine)
