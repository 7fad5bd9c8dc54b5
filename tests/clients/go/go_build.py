"""Builds Go's client, once."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODULE = Path(__file__).parent


BUILD_SECONDS_MAX = 500  # the first build on a machine fetches and compiles gRPC and Arrow


def build(binary: Path) -> None:
    """Compile the checks. Skips where that can't be done."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go on this machine")
    command = ["go", "test", "-c", "-o", str(binary), "."]
    try:
        done = subprocess.run(
            command, cwd=MODULE, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("Go did not come to an end, perhaps for want of a network")
    if done.returncode and re.search(r"dial tcp|no such host|requires go >=|toolchain not available", done.stderr):
        pytest.skip("Go can't fetch what the checks need")
    assert done.returncode == 0, done.stderr
