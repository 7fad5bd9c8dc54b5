"""Allocator settings make the process give memory back. Imports nothing that allocates: it comes before all that does.

Calls run on threads that come and go. Allocators keep a store for each thread: over ten minutes of mixed load these
stores took 215 MB for 50 MB in use, and went on growing. What is set here keeps them at 60 MB, at no cost in speed.

The engine has a mimalloc of its own, which reads its options from the environment when it is loaded. With huge pages a
page that is in use for a few bytes takes 2 MB: under the same load a server took 440 MB with them and 380 without.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from typing import Final

ARROW_VARIABLE: Final = "ARROW_DEFAULT_MEMORY_POOL"
# Options of the engine's mimalloc: no huge pages; what a thread has left unused goes back when it ends, and what it
# frees a millisecond later (by itself ten), looked for every 500 allocations (10,000), if it is at work by then: most
# of the engine's threads rest most of the time. To give back at once takes a third more time in TPC-H.
ENGINE_OPTIONS: Final = (
    ("MIMALLOC_ALLOW_THP", "0"),
    ("MIMALLOC_ABANDONED_PAGE_PURGE", "1"),
    ("MIMALLOC_PURGE_DELAY", "1"),
    ("MIMALLOC_GENERIC_COLLECT", "500"),
)
_M_ARENA_MAX: Final = -8  # of malloc.h


def give_back_memory() -> None:
    """What the C library holds and nobody uses goes back to the system, which takes some milliseconds. By itself only
    what lies at the end of each arena does."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)


def spare_memory() -> None:
    """Call once, before pyarrow is loaded and before there are threads. What the user has set stays."""
    if sys.platform != "linux":
        return
    # Gives back after a second what is not in use; mimalloc, Arrow's choice, never does for threads that have ended.
    os.environ.setdefault(ARROW_VARIABLE, "jemalloc")
    for name, value in ENGINE_OPTIONS:
        os.environ.setdefault(name, value)
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError):  # a C library that has no arenas
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, max(2, os.cpu_count() or 2))  # by itself eight for each processor
