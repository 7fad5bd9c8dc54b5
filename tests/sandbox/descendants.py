"""Which statements of a process run in processes of their own just now."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FORK_SERVER: Final = b"sandbox.fork_server"


def sandboxed(number: int) -> set[int]:
    """Numbers of the sandboxes of process `number`."""
    servers = fork_servers(number)
    return {child for child, parent in _parents().items() if parent in servers}


def fork_servers(number: int) -> set[int]:
    """Those that process `number` began: one, if any."""
    return {child for child, parent in _parents().items() if parent == number}


def _parents() -> dict[int, int]:
    """Process -> its parent, of fork servers and what they forked; without those that ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, fields = (path / "cmdline").read_bytes(), (path / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has ended
            continue
        if _FORK_SERVER in command and fields[0] != "Z":
            found[int(path.name)] = int(fields[1])
    return found
