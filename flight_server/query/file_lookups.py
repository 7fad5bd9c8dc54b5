"""FileLookups limits how many cold files plans look up at the same time.

When the engine makes a physical plan it asks for the size of every file of a scan at once, and each such question takes
a blocking thread of it. These threads stay as long as there is anything to read, with some 6 MB each: eight plans over
thirty files came to 190 threads and 1.3 GB. So a plan waits until there is room for its files; the questions
themselves take microseconds. Where a storage does not answer, those behind go on: threads are the lesser evil.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STALLED_SECONDS: Final = 5.0


class FileLookups:
    """Room for some files, first come first served; when nobody gave any back for `stalled_seconds`, who waits goes on
    without it.

    Safe from any thread; do not enter it twice in one.
    """

    def __init__(self, files_max: int, stalled_seconds: float = STALLED_SECONDS) -> None:
        self._files_max = files_max
        self._stalled_seconds = stalled_seconds
        self._taken = 0
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    def __repr__(self) -> str:
        return f"<FileLookups [{self._taken} of {self._files_max} files, {len(self._line)} waiting]>"

    @contextmanager
    def of(self, files: int) -> Iterator[None]:
        """Room for so many; all of it for more than there is. A plan without files never waits."""
        wanted = min(files, self._files_max)
        if wanted:
            self._enter(wanted)
        try:
            yield
        finally:
            if wanted:
                self._leave(wanted)

    def _enter(self, wanted: int) -> None:
        me = object()
        with self._changed:
            self._line.append(me)
            while self._line[0] is not me or self._taken + wanted > self._files_max:
                if not self._changed.wait(self._stalled_seconds):
                    break
            self._line.remove(me)
            self._taken += wanted
            self._changed.notify_all()  # the next one may fit beside

    def _leave(self, wanted: int) -> None:
        with self._changed:
            self._taken -= wanted
            self._changed.notify_all()
