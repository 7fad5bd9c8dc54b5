"""Sandbox processes, from the server's side: started by the fork server, watched, killed.

Linux alone has what this takes (a limit on address space that holds, `/proc`, a signal to a child whose parent ended).
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from flight_server.sandbox.frames import Ended, Kind, receive, send
from flight_server.sandbox.shipment import Packed
from storage.errors import StorageUnavailable

START_SECONDS_MAX: Final = 60.0
LOOK_SECONDS: Final = 0.02
# What an interpreter needs; no secret is among these.
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class SandboxProcess:
    """One statement's process. `kill` from any thread; one reader."""

    def __init__(self, channel: socket.socket, number: int, bytes_max: int) -> None:
        """bytes_max: of memory in use beyond what the process began with"""
        self._channel = channel
        self._lock = threading.Lock()
        self._handle = os.pidfd_open(number)  # it waits for its request, so the number is still its own
        self._number = number
        self._first_bytes = self._resident_bytes()
        self._bytes_max = bytes_max
        self.grew_too_large = False

    def request(self, packed: Packed) -> None:
        """Raises Ended."""
        try:
            send(self._channel, Kind.REQUEST, packed.header)
            send(self._channel, Kind.BLOB, str(len(packed.blobs)).encode())
            for blob in packed.blobs:
                send(self._channel, Kind.BLOB, blob)
        except OSError:
            raise Ended from None

    def wait(self, seconds: float) -> bool:
        """Whether something came, or the end, waiting at most so long. A process that has grown too large is killed."""
        while seconds > 0:
            step = min(seconds, LOOK_SECONDS)
            seconds -= step
            try:
                if _is_readable(self._channel, step):
                    return True
            except (OSError, ValueError):  # closed
                return True
            if self._resident_bytes() - self._first_bytes > self._bytes_max:
                self.grew_too_large = True
                self.kill()
        return False

    def receive(self) -> tuple[Kind, memoryview]:
        """Blocks. Raises Ended."""
        while not self.wait(1.0):
            pass
        return receive(self._channel)

    def kill(self) -> None:
        """At once, whatever it does."""
        with self._lock, suppress(OSError):
            if self._handle >= 0:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def close(self) -> None:
        """The reader is through with it."""
        self.kill()
        with self._lock:
            self._channel.close()
            if self._handle >= 0:
                os.close(self._handle)
            self._handle = -1

    def _resident_bytes(self) -> int:
        try:
            pages = Path(f"/proc/{self._number}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


class ForkServer:
    """Starts processes. Begun when first needed: most servers never need it, and it takes a second and 100 MB."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None
        self._closed = False

    def start(self, bytes_max: int) -> SandboxProcess:
        """Blocks for 20 ms, for seconds when it must begin. Raises StorageUnavailable."""
        for _ in range(2):  # it may have been killed by whoever looks for memory
            try:
                return self._forked(bytes_max)
            except (Ended, OSError) as error:
                structlog.get_logger().warning("sandbox_fork_server_lost", reason=str(error))
                self._stop()
        raise StorageUnavailable("the process that the statement needs can't be started; try again", sqlstate="53000")

    def close(self) -> None:
        """End it and all its children."""
        with self._lock:
            self._closed = True
        self._stop()

    def _forked(self, bytes_max: int) -> SandboxProcess:
        mine, its = socket.socketpair()
        try:
            with its, self._lock:
                if self._closed:
                    raise StorageUnavailable("the server is stopping", sqlstate="57P01")
                socket.send_fds(self._begun(), [b"+"], [its.fileno()])
            mine.settimeout(START_SECONDS_MAX)
            kind, number = receive(mine)
            if kind is not Kind.PROCESS:
                raise Ended
            mine.settimeout(None)
            return SandboxProcess(mine, int(bytes(number)), bytes_max)
        except BaseException:
            mine.close()
            raise

    def _begun(self) -> socket.socket:
        if self._orders is None or self._process is None or self._process.poll() is not None:
            mine, its = socket.socketpair()
            command = [sys.executable, "-m", "flight_server.sandbox.fork_server"]
            null = subprocess.DEVNULL
            with its:
                self._process = subprocess.Popen(  # noqa: S603 - our own module, no word of a caller's
                    command, stdin=its.fileno(), stdout=null, stderr=null, env=_environment(os.environ)
                )
            self._orders = mine
        return self._orders

    def _stop(self) -> None:
        with self._lock:
            process, self._process = self._process, None
            orders, self._orders = self._orders, None
        if orders is not None:
            orders.close()
        if process is not None:
            process.kill()
            process.wait()


def _is_readable(channel: socket.socket, seconds: float) -> bool:
    poll = select.poll()  # `select` knows no handle over 1,023
    poll.register(channel, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    root = str(Path(__file__).parent.parent.parent)
    kept = {name: environment[name] for name in _ENVIRONMENT if name in environment}
    # One thread until it forks: numpy's own would be lost in the children.
    return {**kept, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
