"""Reads the summaries that the random questions and the runner of SQLite's files write with `--json FILE`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

TAKEN_OUT: Final = "taken-out.json"


@dataclass(frozen=True, slots=True)
class Summary:
    """One run. `made`: questions; `comparable`: those both sides answered; `undocumented`: refused, but not by sql.md.

    seed:    None where there is no chance in it
    files:   right, wrong, refused .. by file, for runs over files
    """

    name: str
    seed: int | None
    minutes: float
    made: int
    comparable: int
    equal: int
    refused: int
    different: int
    undocumented: int = 0
    files: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    classes: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_clean(self) -> bool:
        return self.different == 0 and self.undocumented == 0


def read(path: Path) -> Summary:
    """Raises KeyError for a file that has less in it than a summary."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Summary(
        name=path.stem,
        seed=found["seed"],
        minutes=found["minutes"],
        **{name: found[name] for name in ("made", "comparable", "equal", "refused", "different")},
        undocumented=found.get("undocumented", 0),
        files=found.get("files", {}),
        classes=tuple(found.get("classes", ())),
    )


@dataclass(frozen=True, slots=True)
class TakenOut:
    """A kind whose mending was left out. seed: None if the questions did not find it."""

    kind: str
    seed: int | None
    different: int
    made: int


def read_all(folder: Path) -> list[Summary]:
    """Those of a folder, by name."""
    return [read(path) for path in sorted(folder.glob("*.json")) if path.name != TAKEN_OUT]


def read_taken_out(folder: Path) -> list[TakenOut]:
    """Nothing where there was no such run."""
    path = folder / TAKEN_OUT
    return [TakenOut(**one) for one in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def by_folder(files: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Files of one folder together, with how many there are; a file that lies alone keeps its name."""
    folders: dict[str, dict[str, int]] = {}
    for name, counts in files.items():
        together = folders.setdefault(name.rpartition("/")[0] or name, {"files": 0})
        together["files"] += 1
        for kind, count in counts.items():
            together[kind] = together.get(kind, 0) + count
    return folders
