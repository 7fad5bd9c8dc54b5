"""No pattern that meets a client's text takes the square of its length, whatever it finds in there.

A pattern that tries each beginning again holds up every other statement meanwhile: with a megabyte for hours. So each
one in the code is run over texts made of what it looks for itself, of a length and of four times that length.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import flight_server
import jobs
import storage
from tests.sql.pumped_texts import NOT_THERE, pumped

LENGTHS = (250, 1_000, 4_000, 16_000, 64_000)
TIMES_MAX = 9  # as long for four times the length; the square would be 16
SECONDS_MIN = 0.004  # in less there is nothing to be compared
# Of what never meets a long text of a client's, with the reason.
BOUNDED = {
    "flight_server.query.errors": "messages are cut to a few thousand characters first",
    "storage.cold.file_names": "names of files, and no file system takes long ones",
}


def modules() -> Iterator[ModuleType]:
    for package in (flight_server, storage, jobs):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not info.name.endswith("__main__"):
                yield importlib.import_module(info.name)


def patterns_in(value: Any, depth: int = 3) -> Iterator[re.Pattern[str]]:
    """In a value of a module, and in its parts."""
    if isinstance(value, re.Pattern):
        if isinstance(value.pattern, str):
            yield value
    elif depth and isinstance(value, (tuple, list, frozenset)):
        for part in value:
            yield from patterns_in(part, depth - 1)
    elif depth and isinstance(value, dict):
        for part in value.values():
            yield from patterns_in(part, depth - 1)
    elif depth and isinstance(getattr(value, "pattern", None), re.Pattern):
        yield from patterns_in(value.pattern, depth - 1)


def found_patterns() -> dict[str, re.Pattern[str]]:
    """Module and name -> pattern."""
    found = {}
    for module in modules():
        if any(module.__name__.startswith(bounded) for bounded in BOUNDED):
            continue
        for name, value in vars(module).items():
            for number, pattern in enumerate(patterns_in(value)):
                found[f"{module.__name__}.{name}{number or ''}"] = pattern
    return found


PATTERNS = found_patterns()
SOURCES = "\n".join(Path(module.__file__ or "").read_text(encoding="utf-8") for module in modules())
COUNT_MIN = 90


def ways_to_use(name: str) -> set[str]:
    """How the code uses the pattern of that name: from a text's start, to its end, or from anywhere."""
    short = re.escape(name.rpartition(".")[2].rstrip("0123456789"))
    found = set(re.findall(rf"\b{short}\.(search|match|fullmatch|sub|finditer|findall|split)\b", SOURCES))
    return {way if way in ("match", "fullmatch") else "search" for way in found} or {"search"}


def grows_too_fast(use: Callable[[str], object], head: str, piece: str) -> bool:
    shorter = SECONDS_MIN
    for length in LENGTHS:
        text = head + piece * (length // len(piece)) + NOT_THERE
        before = time.thread_time()
        use(text)
        taken = time.thread_time() - before
        if taken > TIMES_MAX * max(SECONDS_MIN, shorter):
            return True
        shorter = taken
    return False


def test_the_patterns_are_found():
    assert len(PATTERNS) >= COUNT_MIN


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_time_by_the_length_of_its_text(name: str):
    pattern = PATTERNS[name]
    for way in ways_to_use(name):
        use = getattr(pattern, way)
        slow = [pair for pair in pumped(pattern) if all(grows_too_fast(use, *pair) for _ in range(3))]
        assert slow == [], f"{way} of {pattern.pattern}"
