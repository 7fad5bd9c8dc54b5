"""The long fault tests share out the time that `make test-faults MINUTES=n` was given.

Each has a short minimum, below which it would show nothing, and goes on with new rounds as long as its share lasts.
Without FROSTLINE_FAULT_MINUTES all of them do their minimum. Every test prints its seed; to replay one:

    FROSTLINE_FAULT_SEED=<seed> make test-faults MINUTES=0 ARGS='-k <name of the test>'
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import pytest

MINUTES_VARIABLE: Final = "FROSTLINE_FAULT_MINUTES"
SEED_VARIABLE: Final = "FROSTLINE_FAULT_SEED"
RECORDS_VARIABLE: Final = "FROSTLINE_FAULT_RECORDS"  # a folder for figures that docs/proof.md shows
HANG_SECONDS: Final = 600  # over its share: then a test hangs


def minutes() -> float:
    return float(os.environ.get(MINUTES_VARIABLE) or 0)


def record(name: str, figures: Mapping[str, object]) -> None:
    """A line for `make proof`, where it was asked for."""
    folder = os.environ.get(RECORDS_VARIABLE)
    if folder:
        path = Path(folder) / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as lines:
            print(json.dumps(figures), file=lines)


@dataclass(frozen=True, slots=True)
class Shift:
    """What one test has: a seed of its own and a share of the time, from when it was made."""

    seed: int
    seconds: float
    begun_seconds: float

    @property
    def random(self) -> Random:
        """A new one with each call, always the same."""
        return Random(self.seed)

    @property
    def seconds_left(self) -> float:
        return self.begun_seconds + self.seconds - time.monotonic()

    def rounds(self, at_least: int) -> Iterator[int]:
        """0, 1, 2 .. as long as the share lasts, but not fewer than `at_least`."""
        done = 0
        while done < at_least or self.seconds_left > 0:
            yield done
            done += 1
        print(f"{done} rounds")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test may take its share, and some minutes for its last round and its checks."""
    for item in items:
        if item.get_closest_marker("long") is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(minutes() * 60 + HANG_SECONDS))


@pytest.fixture
def shift(request: pytest.FixtureRequest) -> Shift:
    """The test's part of the minutes, by its marker's weight among all that run."""
    weights = [_weight(item) for item in request.session.items]
    seconds = 60 * minutes() * _weight(request.node) / max(1.0, sum(weights))
    seed = int(os.environ.get(SEED_VARIABLE) or Random().randrange(10**9))
    print(f"{SEED_VARIABLE}={seed} for {seconds:.0f} s")
    return Shift(seed, seconds, time.monotonic())


def _weight(item: pytest.Item) -> float:
    marker = item.get_closest_marker("long")
    return 0.0 if marker is None else float(marker.kwargs.get("weight", 1))
