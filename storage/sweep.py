"""Sweep: remove what nothing names any more. Safe to repeat, safe to interrupt.

  1. files that no manifest, no open snapshot and no writer names
  2. records of the audit log that are too old or too many
The order of looking matters: first the folder, then the writers, then states and snapshots. A file that is being
committed meanwhile is in one of the later two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.failpoints import reach
from storage.recover import live_files

if TYPE_CHECKING:
    from storage.engine import Engine


@dataclass(frozen=True, slots=True)
class SweepFigures:
    """What was removed."""

    files: int
    bytes: int


def sweep(engine: Engine) -> SweepFigures:
    """Raises StorageUnavailable."""
    files = freed = 0
    for path in _unnamed(engine):
        reach("sweep.before_remove")
        bytes_ = engine.files.remove(path)
        reach("sweep.after_remove")
        if bytes_ is not None:
            freed += bytes_
            files += 1
    engine.trim_audit()
    return SweepFigures(files=files, bytes=freed)


def _unnamed(engine: Engine) -> list[str]:
    listed = [path for path, _ in engine.files.listed()]
    loose = [path for path in listed if not engine.files.is_held(path)]
    named = set(live_files(engine.state)) | engine.snapshots.paths_in_use()
    return [path for path in loose if path not in named]
