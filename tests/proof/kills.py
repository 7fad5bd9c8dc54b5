"""A loop of kills, as `make test-faults ARGS='-k kill_loop'` leaves its figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FIGURES: Final = "kills.jsonl"


@dataclass(frozen=True, slots=True)
class Kills:
    """A run that ended well: the loop fails with the first row that is lost or doubled.

    deaths: by how the server was killed
    """

    seed: int
    deaths: Mapping[str, int]
    statements: int


def read(folder: Path) -> Kills | None:
    """The last run; None where there was none."""
    path = folder / FIGURES
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return Kills(**json.loads(lines[-1])) if lines else None


def section(kills: Kills) -> Iterator[str]:
    ways = {"time": "at any time", "point": "at a fail point", "start": "while it started"}
    told = ", ".join(f"{kills.deaths[kind]} {words}" for kind, words in ways.items())
    yield "## Kills under load"
    yield (
        f"A server killed {sum(kills.deaths.values())} times ({told}) by SIGKILL while clients changed two tables, "
        f"seed {kills.seed}: of {kills.statements:,} acknowledged statements 0 rows were lost and 0 doubled; "
        "the loop ends with the first that is."
    )
    yield ""
