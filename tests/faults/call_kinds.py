"""Which of a run's system calls to cut off or to fail: the first of each kind.

A kind is what the engine is at, the call, and the sort of file. Within a kind only the rows and the files before it
differ: those are for `make test-faults`, and the first and the last pass of each point are in `test_kill_points`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path


def first_of_each_kind(calls: Sequence[Sequence[str]], directory: Path) -> list[int]:
    """Their numbers, from 1. calls: (name, path, kind of step)"""
    first: dict[tuple[str, ...], int] = {}
    for number, (name, path, step) in enumerate(calls, 1):
        first.setdefault((step, name, sort_of(path, directory)), number)
    return list(first.values())


def sort_of(path: str, directory: Path) -> str:
    """The folder, and the name without what numbers it: `rows/000012.log` is `rows/.log`."""
    place = Path(os.path.relpath(path, directory))
    return str(place.parent / re.sub(r"\d[^.]*", "", place.name))
