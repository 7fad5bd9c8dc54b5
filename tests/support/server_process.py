"""A real server in a process of its own, for tests that start, stop, kill and connect."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.support.forked_server import ForkedServer

ROOT_PASSWORD = "frost and line"
READY_SECONDS_MAX = 60.0
EXIT_SECONDS_MAX = 60.0
REPOSITORY = Path(__file__).parent.parent.parent


class ServerProcess:
    """`frostline serve` on any free port. Entering waits for the ready line; leaving kills what still runs.

    uri:        what the ready line said
    stdout:     all lines so far
    stderr:     likewise; JSON log lines and the few plain ones
    """

    def __init__(
        self,
        data: Path,
        *flags: str,
        root_password: str | None = ROOT_PASSWORD,
        environment: dict[str, str] | None = None,
        log: IO[str] | None = None,
        is_forked: bool = True,
    ) -> None:
        """log: where stderr goes, instead of to `stderr`; is_forked: False where the start itself is the subject"""
        self.data = data
        self.flags = flags
        self.root_password = root_password
        self.environment = environment or {}
        self.log = log
        # Libraries read variables of their own when they are loaded, which in a forked server was before.
        self.is_forked = is_forked and all(name.startswith("FROSTLINE_") for name in self.environment)
        self.uri = ""
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self.process: ForkedServer | subprocess.Popen[str]
        self._threads: list[threading.Thread] = []
        self._lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        self.start()
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Kill what still runs and let go of its pipes. Safe to repeat."""
        if self.process.poll() is None:
            self.process.kill()
        self._finish()

    def start(self) -> None:
        """Start without waiting."""
        environment = {**os.environ, "PYTHONPATH": _python_path(), **self.environment}
        environment.pop("FROSTLINE_ROOT_PASSWORD", None)
        if self.root_password is not None:
            environment["FROSTLINE_ROOT_PASSWORD"] = self.root_password
        arguments = ("serve", "--data", str(self.data), "--port", "0", "--http-port", "0", *self.flags)
        start = ForkedServer if self.is_forked else _executed
        self.process = start(arguments, self.data.parent, environment, self.log)
        assert self.process.stdout is not None
        self._read(self.process.stdout, self.stdout, self._lines)
        if self.process.stderr is not None:
            self._read(self.process.stderr, self.stderr, None)

    def wait_ready(self) -> None:
        """Wait for the ready line. Fails with what the server said when it ends instead."""
        line = self._lines.get(timeout=READY_SECONDS_MAX)
        if line is None:
            self._finish()
            raise AssertionError(f"the server ended with {self.process.returncode}: {self.stderr[-5:]}")
        assert line.startswith("ready: "), line
        self.uri = line.removeprefix("ready: ").strip()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds_max: float = EXIT_SECONDS_MAX) -> int:
        """The exit code, once it has ended."""
        code = self.process.wait(seconds_max)
        self._finish()
        return code

    def stop(self) -> int:
        """SIGTERM, then the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL: what a crash does."""
        self.process.kill()
        self.wait()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log lines so far."""
        return [json.loads(line) for line in list(self.stderr) if line.startswith("{")]

    def health(self, path: str) -> tuple[int, str]:
        """Status and text of a health page."""
        port = next(event["http_port"] for event in self.events if event["event"] == "serving")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def connect(self, *, user: str = "root", password: str | None = None, **options: str) -> Any:
        """An ADBC connection that commits each statement; close it, or use it in a `with`."""
        from adbc_driver_flightsql import dbapi  # here, so that tests without clients start quickly

        credentials = {"username": user, "password": password or self.root_password or ""}
        return dbapi.connect(self.uri, db_kwargs={**credentials, **options}, autocommit=True)

    def _read(self, stream: IO[str], lines: list[str], to: queue.Queue[str | None] | None) -> None:
        def read() -> None:
            for line in stream:
                lines.append(line.rstrip("\n"))
                if to is not None:
                    to.put(line)
            if to is not None:
                to.put(None)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _finish(self) -> None:
        self.process.wait(EXIT_SECONDS_MAX)
        for thread in self._threads:
            thread.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def _executed(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], log: IO[str] | None
) -> subprocess.Popen[str]:
    """As users start it."""
    return subprocess.Popen(
        [sys.executable, "-m", "flight_server", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if log is None else log,
        text=True,
    )


def _python_path() -> str:
    """The source tree first, whatever is installed."""
    return os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
