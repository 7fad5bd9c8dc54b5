"""The HTTP side port serves GET /healthz, /readyz and /metrics, and nothing else.

    /healthz  200 "ok" while the process lives, its disk takes writes and its jobs start; else 503 and the reason;
              200 and the reason while the disk is full: writes are taken again when there is room, no restart helps
    /metrics  200 and figures in Prometheus' text format; 503 before there are any. No figure is about a user or a text
    /readyz   200 "ready" while calls are answered; 503 before that, while the server drains, and when not healthy

Flight SQL has no health service and pyarrow can't add one. This is not a web server: one short request per
connection, bounded in bytes, seconds and number, so that it can't be used to hold the process up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

REQUEST_BYTES_MAX: Final = 8192
REQUEST_SECONDS_MAX: Final = 5
CONNECTIONS_MAX: Final = 64
METRICS: Final = "/metrics"

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


@dataclass(slots=True)
class Health:
    """What the pages tell. `storage` and `jobs` answer "ok" or a reason, `mends_itself` whether a restart is not the
    cure; `serving`, `jobs` and `metrics` are set by the composition root."""

    storage: Callable[[], str]
    serving: bool = False
    mends_itself: Callable[[], bool] = lambda: False
    metrics: Callable[[], bytes] | None = None
    jobs: Callable[[], str] = lambda: "ok"

    def answer(self, method: str, path: str) -> tuple[int, str]:
        """Status and text for a request. Pure but for asking `storage` and `metrics`; the latter takes its time."""
        if path not in ("/healthz", "/readyz", METRICS):
            return 404, "not found: there is /healthz, /readyz and /metrics"
        if method not in ("GET", "HEAD"):
            return 405, "only GET and HEAD"
        if path == METRICS:
            return (503, "not serving") if self.metrics is None else (200, self.metrics().decode().rstrip())
        mends_itself, reason = self.mends_itself(), self.storage()
        if reason != "ok":
            return 200 if mends_itself and path == "/healthz" else 503, f"storage: {reason}"
        if (jobs := self.jobs()) != "ok":
            return 503, f"jobs: {jobs}"
        if path == "/readyz":
            return (200, "ready") if self.serving else (503, "not serving")
        return 200, "ok"


async def serve_health(
    health: Health, host: str, port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer until cancelled; `task_status` tells the port. Raises OSError when the port is taken."""
    listeners = await trio.open_tcp_listeners(port, host=host)
    room = trio.CapacityLimiter(CONNECTIONS_MAX)

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                room.acquire_nowait()
            except trio.WouldBlock:
                return
            try:
                with trio.move_on_after(REQUEST_SECONDS_MAX):
                    await _answer_one(stream, health)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # the caller went away: nothing to tell, no one to tell it to
            finally:
                room.release()

    async with trio.open_nursery() as nursery:
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(handle, listeners, handler_nursery=nursery)


async def _answer_one(stream: trio.SocketStream, health: Health) -> None:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < REQUEST_BYTES_MAX:
        received = await stream.receive_some(REQUEST_BYTES_MAX - len(head))
        if not received:
            return
        head += received
    method, path = _request_line(head)
    if path is None:
        status, text = 400, "bad request"
    elif path == METRICS:  # off the loop: it looks at every partition
        status, text = await trio.to_thread.run_sync(health.answer, method, path)
    else:
        status, text = health.answer(method, path)
    await stream.send_all(_response(status, text, with_body=method != "HEAD"))


def _request_line(head: bytes) -> tuple[str, str | None]:
    """Method and path without query; path None when this is no HTTP."""
    parts = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if b"\r\n\r\n" not in head or len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return "", None
    return parts[0], parts[1].partition("?")[0]


def _response(status: int, text: str, *, with_body: bool) -> bytes:
    body = f"{text}\n".encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
        "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
