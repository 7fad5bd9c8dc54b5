"""Furniture shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from storage.clock import ManualClock
from storage.engine import Engine
from storage.settings import StorageSettings


@pytest.fixture(autouse=True)
def _log_as_by_default() -> Iterator[None]:
    """A test that configures the log leaves nothing of it behind: its stream is closed by then."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    """A real engine on an empty directory, closed afterwards."""
    opened = Engine.open(tmp_path / "data", StorageSettings(), clock)
    yield opened
    opened.close()
