"""Programs that some fault tests need."""

from __future__ import annotations

import os
import shutil
from typing import Final

import pytest

REQUIRED_VARIABLE: Final = "FROSTLINE_REQUIRE_TOOLS"


def needed(program: str) -> str:
    """Its path. Without it the test is skipped, or fails where FROSTLINE_REQUIRE_TOOLS=1."""
    found = shutil.which(program)
    if found is not None:
        return found
    if os.environ.get(REQUIRED_VARIABLE) == "1":
        pytest.fail(f"{program} is not installed")
    pytest.skip(f"{program} is not installed")
