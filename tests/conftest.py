"""Furniture shared by all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from storage.clock import ManualClock
from storage.engine import Engine
from storage.settings import StorageSettings
from tests.support.server_process import ServerProcess

# .ci/run tries the same examples each time, so that a change is judged by itself; others look for new ones.
FIXED_SEED = int(os.environ.get("FROSTLINE_FIXED_SEED") or 0)

# A shell that runs the tests in the background has them ignore it, and with them every server that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine must not fail a test.
settings.register_profile("frostline", deadline=None, derandomize=bool(FIXED_SEED))
settings.load_profile("frostline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that of two processes neither ends long after the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Fifteen thousand tests are a million objects, which would be looked through again and again while they run."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # or libraries complain at the end of what they still hold


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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A real server in a process of its own, on an empty directory, shared by the tests of a module."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        yield process
