"""What a process holds: memory, threads, file handles. As /proc tells it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Figures:
    """At one moment. rss_mib: resident memory; handles: open file descriptors."""

    rss_mib: int
    threads: int
    handles: int


def figures_of(process_id: int) -> Figures:
    status = _status(process_id)
    handles = len(os.listdir(f"/proc/{process_id}/fd"))
    return Figures(status["VmRSS"] // 1024, status["Threads"], handles)


def peak_rss_mib(process_id: int) -> int:
    """The most since the process began or `forget_peak`."""
    return _status(process_id)["VmHWM"] // 1024


def forget_peak(process_id: int) -> None:
    Path(f"/proc/{process_id}/clear_refs").write_text("5")


def eventually(true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for it. Fails, saying `what` did not come true, when it hangs."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(_POLL_SECONDS)


def back_at(
    base: Figures, process_id: int, *, handles_more: int = 4, threads_more: int = 4, seconds: float = 30
) -> None:
    """Wait until handles and threads are about what they were. Fails with what they are instead."""

    def is_back() -> bool:
        now = figures_of(process_id)
        return now.handles <= base.handles + handles_more and now.threads <= base.threads + threads_more

    try:
        eventually(is_back, "back at base", seconds)
    except AssertionError:
        raise AssertionError(f"was {base}, stays at {figures_of(process_id)}") from None


def _status(process_id: int) -> dict[str, int]:
    found = {}
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("VmRSS", "VmHWM", "Threads"):
            found[name] = int(rest.split()[0])
    return found
