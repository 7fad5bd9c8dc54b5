"""Servers forked from a process that loaded the program once: a start costs no imports, which are most of it.

Such a server is a process of its own all the same, with its own signals, files, threads and memory.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import IO, Final

CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.support.loaded_program"])


class ForkedServer:
    """What `subprocess.Popen` offers of a running command, as far as tests use it.

    stdout, stderr:  text of it; stderr is None when a log takes it
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: IO[str] | None
    ) -> None:
        self.stdout, out = _text_pipe()
        self.stderr: IO[str] | None
        self.stderr, err = _text_pipe() if log is None else (None, os.dup(log.fileno()))
        told = (tuple(arguments), str(folder), dict(environment))
        with _sending(out) as to_stdout, _sending(err) as to_stderr, _python_path(environment["PYTHONPATH"]):
            self._process = CONTEXT.Process(target=_serve, args=(*told, to_stdout, to_stderr), daemon=True)
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self._lock = threading.Lock()

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """The exit code once it has ended; a signal's number below zero."""
        with self._lock:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Raises: TimeoutExpired."""
        if self.poll() is None and not connection.wait([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired("frostline", timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and nobody has told us yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _text_pipe() -> tuple[IO[str], int]:
    reads, writes = os.pipe()
    return open(reads, encoding="utf-8"), writes


def _sending(descriptor: int) -> connection.Connection:
    """Can be handed to another process, which descriptors can not. Closed by leaving it."""
    return connection.Connection(descriptor, readable=False)


@contextmanager
def _python_path(value: str) -> Iterator[None]:
    """Where the process that forks, if it is only now started, finds the program."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = value
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    yield


def _serve(
    arguments: tuple[str, ...],
    folder: str,
    environment: dict[str, str],
    stdout: connection.Connection,
    stderr: connection.Connection,
) -> None:
    """The forked process: become the command."""
    os.dup2(stdout.fileno(), 1)
    os.dup2(stderr.fileno(), 2)
    stdout.close()
    stderr.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["frostline", *arguments]
    from flight_server.cli import main

    sys.exit(main())
