"""Furniture shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.clock import ManualClock
from storage.engine import Engine
from storage.settings import StorageSettings


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    """A real engine on an empty directory, closed afterwards."""
    opened = Engine.open(tmp_path / "data", StorageSettings(), clock)
    yield opened
    opened.close()
