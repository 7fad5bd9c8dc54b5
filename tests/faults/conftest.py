"""Furniture of the fault tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.engine_cases import EngineCases
from tests.faults.tools import REQUIRED_VARIABLE
from tests.support.server_process import REPOSITORY

MEMORY = Path("/dev/shm")  # noqa: S108  only its speed is wanted


@pytest.fixture(scope="module")
def engine_cases() -> Iterator[EngineCases]:
    cases = EngineCases()
    yield cases
    cases.close()


@pytest.fixture(scope="session")
def calls_can_be_held() -> None:
    """Without seccomp's notifications the test is skipped, or fails where FROSTLINE_REQUIRE_TOOLS=1."""
    trial = "from tests.faults.system_calls import hand_over; hand_over(('fsync',))"
    found = subprocess.run([sys.executable, "-c", trial], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    if found.returncode == 0:
        return
    why = f"system calls can't be held here: {found.stderr.strip().splitlines()[-1]}"
    if os.environ.get(REQUIRED_VARIABLE) == "1":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def quick_directory() -> Iterator[Path]:
    """In memory where that is possible: what a kill leaves does not depend on the disk, and syncs cost nothing."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as made:
        yield Path(made)
