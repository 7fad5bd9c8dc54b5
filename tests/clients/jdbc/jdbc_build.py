"""Builds the Java program, once, with the drivers that it tries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent


DRIVERS = ("18.3.0", "18.2.0")


BUILD_SECONDS_MAX = 300  # the first build on a machine fetches Maven's plugins and the drivers


def build(driver: str, place: Path) -> None:
    """Compile the checks and fetch the driver. Skips where that can't be done."""
    if shutil.which("mvn") is None or shutil.which("java") is None:
        unavailable("there is no Java 17 or no Maven on this machine")
    command = ["mvn", "-q", "-B", f"-Ddriver.version={driver}", f"-Dbuild.place={place / 'build'}", "compile"]
    try:
        done = subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        unavailable("Maven did not come to an end, perhaps for want of a network")
    if done.returncode and re.search(r"Could not (transfer|resolve)|Unknown host", done.stdout):
        unavailable("Maven can't fetch what the checks need")
    assert done.returncode == 0, done.stdout


def unavailable(reason: str) -> None:
    if os.environ.get("FROSTLINE_REQUIRE_JDBC") == "1":
        pytest.fail(f"{reason}, but FROSTLINE_REQUIRE_JDBC=1 wants these tests run")
    pytest.skip(reason)
