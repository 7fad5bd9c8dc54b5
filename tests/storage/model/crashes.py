"""A crash at a named point: a copy of the data directory as it is in that moment, which is what kill -9 leaves.

What the engine wrote is in the copy, what it only holds in memory is not. It goes on as if nothing had happened and
is closed; the next engine opens the copy. What a power cut would take as well is another test's subject.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from storage import failpoints

Cut = tuple[str, int] | None  # a point, and at which time of reaching it

# A change that was cut off here has not happened ..
BEFORE: Final = frozenset(
    {"transaction.before_commit", "commit.after_catalog_check", "commit.before_write", "load.after_file"}
)
# .. and here it has: its one write was synced. Elsewhere it is either, whole.
AFTER: Final = frozenset({"transaction.after_commit", "close.before_rows", "close.after_rows", "open.after_recovery"})

_TRIES_MAX: Final = 20


def points_of(*kinds: str) -> list[str]:
    """Names of all points of these kinds."""
    return sorted(point for point in failpoints.POINTS if point.partition(".")[0] in kinds)


def cuts(*kinds: str) -> st.SearchStrategy[Cut]:
    """Nothing, or a point of one of these kinds and at which time of reaching it."""
    return st.none() | st.tuples(st.sampled_from(points_of(*kinds)), st.integers(1, 2))


class Crash:
    """Armed when made. `image`: the copy, None while the point was not reached."""

    def __init__(self, cut: tuple[str, int], directory: Path, image: Path) -> None:
        self.point, nth = cut
        self.image: Path | None = None
        self._directory = directory
        self._to = image
        failpoints.arm(self.point, self._take, nth)

    def _take(self) -> None:
        if self.image is None:
            _copy(self._directory, self._to)
            self.image = self._to


def _copy(directory: Path, to: Path) -> None:
    """The row store's own threads may remove a file that they no longer need while it is copied: then again."""
    for _ in range(_TRIES_MAX):
        try:
            shutil.copytree(directory, to)
            return
        except (shutil.Error, FileNotFoundError):
            shutil.rmtree(to, ignore_errors=True)
    raise AssertionError("the directory does not hold still")


def outcomes(point: str) -> Callable[[bool], bool]:
    """Whether a change that was cut off at `point` may be found to have happened (True) or not (False)."""
    if point in BEFORE:
        return lambda happened: not happened
    if point in AFTER:
        return lambda happened: happened
    return lambda happened: True
