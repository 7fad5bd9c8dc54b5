"""A TCP proxy that does to what passes through it what bad networks do.

One thread runs a trio loop; `plan` may be changed while connections are open. A network fault is never a wrong byte
here (TCP's checksums and TLS see to that, and `damaging_proxy` damages on purpose): bytes come late, slowly, or never.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import trio

PIECE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to what the server sends (and, with `both_ways`, to what it is sent).

    delay_seconds:     each piece comes so late
    bytes_per_second:  no faster than this; 0 = as it comes
    piece_bytes:       at most so many at once: what a small MTU does
    cut_after_bytes:   then the connection is reset; None = never
    stall_after_bytes: then nothing passes any more, and nobody is told; None = never
    """

    delay_seconds: float = 0.0
    bytes_per_second: int = 0
    piece_bytes: int = PIECE_BYTES
    cut_after_bytes: int | None = None
    stall_after_bytes: int | None = None
    both_ways: bool = False


class FaultProxy:
    """Forwards to `target`. Use in a `with`; `port` is where to connect, `passed` what came from the server."""

    def __init__(self, target: tuple[str, int], plan: Plan) -> None:
        self.plan = plan
        self.passed = 0
        self.port = 0
        self._target = target
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=trio.run, args=(self._serve,), daemon=True)

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as scope:
            self._stop = lambda: token.run_sync_soon(scope.cancel)
            self._ready.set()
            await trio.serve_listeners(self._forward, [listener])

    async def _forward(self, client: trio.SocketStream) -> None:
        try:
            server = await trio.open_tcp_stream(*self._target)
        except OSError:
            await client.aclose()
            return
        async with client, server, trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, server, client, True, nursery.cancel_scope)
            nursery.start_soon(self._pump, client, server, False, nursery.cancel_scope)

    async def _pump(self, source: Any, sink: Any, is_answer: bool, both: trio.CancelScope) -> None:
        """Move bytes until one side ends, then end both, as a reset does."""
        passed = 0
        try:
            async for data in source:
                for piece in _pieces(data, self.plan.piece_bytes):
                    if is_answer or self.plan.both_ways:
                        await self._hold_up(len(piece), passed)
                    passed += len(piece)
                    if is_answer:
                        self.passed += len(piece)
                    if self.plan.cut_after_bytes is not None and passed > self.plan.cut_after_bytes and is_answer:
                        _reset(sink)
                        return
                    await sink.send_all(piece)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            both.cancel()

    async def _hold_up(self, size: int, passed: int) -> None:
        plan = self.plan
        if plan.stall_after_bytes is not None and passed >= plan.stall_after_bytes:
            await trio.sleep_forever()
        if plan.delay_seconds:
            await trio.sleep(plan.delay_seconds)
        if plan.bytes_per_second:
            await trio.sleep(size / plan.bytes_per_second)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [bytes(data[at : at + size]) for at in range(0, len(data), size)]


def _reset(stream: trio.SocketStream) -> None:
    """Close with RST instead of FIN: what was on its way is thrown away."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
