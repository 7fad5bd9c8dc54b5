"""What a process asks of the kernel by file name or address, watched with strace; and calls answered with an error."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.tools import REQUIRED_VARIABLE, needed


@contextmanager
def file_calls(process_id: int, log: Path) -> Iterator[Callable[[], list[str]]]:
    """While the block runs: a function that gives the calls so far, one a line, of all threads of the process.

    Every system call that takes a file name is among them, and every `connect`.
    """
    with attached(process_id, log, "-s", "4096", "-e", "trace=%file,connect") as calls:
        yield calls


@contextmanager
def attached(process_id: int, log: Path, *flags: str) -> Iterator[Callable[[], list[str]]]:
    """strace with those flags on a running process, all its threads; gives the lines of its log so far."""
    command = [needed("strace"), "-f", *flags, "-o", str(log), "-p", str(process_id)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        line = tracer.stderr.readline()
        if "attached" not in line:
            tracer.wait(20)
            if os.environ.get(REQUIRED_VARIABLE) == "1":
                raise AssertionError(line)
            pytest.skip(f"strace may not attach here: {line.strip()}")
        try:
            yield lambda: log.read_text(errors="replace").splitlines()
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(20)
