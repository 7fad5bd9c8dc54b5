"""A proxy between us and an S3 service that does what bad services and networks do, request by request.

It speaks HTTP (the TCP faults of `fault_proxy` know no requests): each request asks `fault` what is to happen to it.
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

_DROPPED = ("transfer-encoding", "connection", "expect")
STALL_SECONDS_MAX = 20.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request.

    status:       answered so, without asking the service; 0 = it is asked
    lost:         it is done, but the answer never comes
    cut_upload:   the connection is reset after so many bytes of what is sent
    cut_answer:   likewise of what comes back
    stall:        nothing comes back, and nobody is told
    delay_seconds: before it is passed on
    piece_bytes:  what comes back, so many bytes at a time with a pause between; 0 = as it comes
    wrong_etag:   the answer tells another one
    """

    status: int = 0
    lost: bool = False
    cut_upload: int | None = None
    cut_answer: int | None = None
    stall: bool = False
    delay_seconds: float = 0.0
    piece_bytes: int = 0
    wrong_etag: bool = False


PASS = Fault()
_CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}


def no_fault(method: str, path: str) -> Fault:
    return PASS


class S3Proxy:
    """Use in a `with`; `url` is where to connect. `fault` may be changed at any time; `seen` counts methods."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.fault: Callable[[str, str], Fault] = no_fault
        self.seen: Counter[str] = Counter()
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def first(self, count: int, fault: Fault, *methods: str) -> None:
        """The next `count` requests (of these methods) meet the fault; all others pass."""
        left = [count]
        lock = threading.Lock()

        def chosen(method: str, path: str) -> Fault:
            with lock:
                if left[0] > 0 and (not methods or method in methods):
                    left[0] -= 1
                    return fault
            return PASS

        self.fault = chosen

    def always(self, fault: Fault) -> None:
        self.fault = lambda method, path: fault

    def heal(self) -> None:
        self.fault = no_fault

    def __enter__(self) -> S3Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Reset(Exception):
    """The connection ends here, rudely."""


def _handler_of(proxy: S3Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (_Reset, OSError):
                self.close_connection = True
                _reset(self.connection)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def _pass(self) -> None:
            proxy.seen[self.command] += 1
            fault = proxy.fault(self.command, self.path)
            body = self._body(fault)
            if fault.delay_seconds:
                time.sleep(fault.delay_seconds)
            if fault.stall:
                proxy.closing.wait(STALL_SECONDS_MAX)
                raise _Reset
            if fault.status:
                status, answer = fault.status, _error(fault.status)
                headers: dict[str, str] = {}
            else:
                status, headers, answer = _forwarded(proxy.target, self.command, self.path, self.headers, body)
            if fault.lost:
                raise _Reset
            if fault.wrong_etag:
                headers = {name: '"0123"' if name.lower() == "etag" else value for name, value in headers.items()}
            self._answer(fault, status, headers, answer)

        def _body(self, fault: Fault) -> bytes:
            length = int(self.headers.get("Content-Length", 0))
            if fault.cut_upload is not None and length > fault.cut_upload:
                self.rfile.read(fault.cut_upload)
                raise _Reset
            return self.rfile.read(length)

        def _answer(self, fault: Fault, status: int, headers: dict[str, str], answer: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "content-length" not in {name.lower() for name in headers}:
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if fault.cut_answer is not None and len(answer) > fault.cut_answer:
                self.wfile.write(answer[: fault.cut_answer])
                self.wfile.flush()
                raise _Reset
            step = fault.piece_bytes or max(len(answer), 1)
            for start in range(0, len(answer), step):
                self.wfile.write(answer[start : start + step])
                if fault.piece_bytes:
                    self.wfile.flush()
                    time.sleep(0.001)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass

    return Handler


def _forwarded(
    target: tuple[str, int], method: str, path: str, headers: Any, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*target, timeout=30)
    try:
        kept = {name: value for name, value in headers.items() if name.lower() not in _DROPPED}
        connection.request(method, path, body=body or None, headers=kept)
        answer = connection.getresponse()
        content = answer.read()
        shown = {name: value for name, value in answer.getheaders() if name.lower() not in _DROPPED}
        return answer.status, shown, content
    finally:
        connection.close()


def _error(status: int) -> bytes:
    code = _CODES.get(status, "Error")
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>by the proxy</Message></Error>".encode()


def _reset(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    except OSError:
        pass


def objects_only(path: str) -> bool:
    """Whether a request is about a Parquet file."""
    return re.search(r"\.parquet(\?|$)", path) is not None
