"""What a process uses, read from /proc, and what a directory holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from bench.figures import Usage

_TICKS_SECOND: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_SECOND


def rss_bytes(pid: int) -> int:
    return _status_bytes(pid, "VmRSS")


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def rss_bytes_max(pid: int) -> int:
    """The most that was resident since the process started."""
    return _status_bytes(pid, "VmHWM")


def _status_bytes(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) << 10
    raise LookupError(f"/proc/{pid}/status has no {key}")


def disk_bytes(directory: Path) -> int:
    """What the files below take on disk; files that go meanwhile count nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def usage_of(pid: int, directory: Path, cpu_seconds_before: float) -> Usage:
    return Usage(cpu_seconds(pid) - cpu_seconds_before, rss_bytes(pid), rss_bytes_max(pid), disk_bytes(directory))
