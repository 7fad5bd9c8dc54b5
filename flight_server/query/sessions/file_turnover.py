"""FileTurnover tells when most of the files that the engine remembers are gone.

The engine keeps the footers and statistics of files by their paths, up to a limit in bytes, and never learns that a
file was removed. Where files come and go, what it keeps would grow for an hour, by files that are gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

GONE_MIN: Final = 256  # a file takes about 20 KB; so few are not worth reading the others' footers anew


class FileTurnover:
    """Safe from any thread."""

    def __init__(self, gone: Callable[[], int], live: Callable[[], int]) -> None:
        """gone: how many files were removed so far; live: how many there are, asked seldom"""
        self._gone = gone
        self._live = live
        self._lock = threading.Lock()
        self._since = 0  # of `gone`
        self._due = GONE_MIN

    def is_complete(self) -> bool:
        """True once for each time that as many files were removed as there are, and GONE_MIN: so each file that is
        removed makes the footer of one other be read anew."""
        if self._gone() < self._due:
            return False
        with self._lock:
            gone, wanted = self._gone(), max(GONE_MIN, self._live())
            if gone < self._due:
                return False
            if gone - self._since < wanted:
                self._due = self._since + wanted
                return False
            self._since, self._due = gone, gone + GONE_MIN
            return True


def no_turnover() -> FileTurnover:
    """Of an engine that ends before any file does."""
    return FileTurnover(lambda: 0, lambda: 0)
