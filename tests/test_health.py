"""The HTTP side port, over a real socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from flight_server.monitoring.health import REQUEST_BYTES_MAX, Health, serve_health


def exchange(health: Health, *requests: bytes) -> list[bytes]:
    """The answers to `requests`, each on a connection of its own."""
    answers: list[bytes] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve_health, health, "127.0.0.1", 0)
            answers.extend([await _ask(port, request) for request in requests])
            nursery.cancel_scope.cancel()

    with_limit(main)
    return answers


def with_limit(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        with trio.fail_after(20):
            await test()

    trio.run(limited)


async def _ask(port: int, request: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        try:
            await stream.send_all(request)
            return b"".join([part async for part in stream])
        except trio.BrokenResourceError:  # it hung up before it had read all of an overlong request
            return b""


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def test_a_well_server_is_alive_before_it_is_ready():
    health = Health(storage=lambda: "ok")
    alive, ready = exchange(health, get("/healthz"), get("/readyz"))
    assert (status(alive), status(ready)) == (200, 503)
    health.serving = True
    assert body(exchange(health, get("/readyz?verbose=1"))[0]) == b"ready\n"


def test_a_disk_that_refuses_is_told_with_its_reason():
    health = Health(storage=lambda: "a write was refused", serving=True)
    for answer in exchange(health, get("/healthz"), get("/readyz")):
        assert status(answer) == 503
        assert body(answer) == b"storage: a write was refused\n"


def test_head_gets_the_length_and_no_body():
    [answer] = exchange(Health(storage=lambda: "ok"), get("/healthz", "HEAD"))
    assert b"Content-Length: 3" in answer
    assert body(answer) == b""


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (get("/"), 404),
        (get("/healthz/../etc/passwd"), 404),
        (get("/healthz", "POST"), 405),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\n", 400),
        (b"GET /healthz\r\n\r\n", 400),
        (b"x" * REQUEST_BYTES_MAX, 400),
    ],
)
def test_what_is_not_a_question_for_it_is_refused(request_: bytes, expected: int):
    [answer] = exchange(Health(storage=lambda: "ok"), request_)
    assert status(answer) == expected


def test_a_caller_who_sends_nothing_or_hangs_up_early_holds_up_no_one():
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve_health, Health(storage=lambda: "ok"), "127.0.0.1", 0)
            silent = await trio.open_tcp_stream("127.0.0.1", port)
            gone = await trio.open_tcp_stream("127.0.0.1", port)
            await gone.send_all(b"GET /hea")
            await gone.aclose()
            assert status(await _ask(port, get("/healthz"))) == 200
            await silent.aclose()
            nursery.cancel_scope.cancel()

    with_limit(main)


def test_a_taken_port_is_an_error_at_once():
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            health = Health(storage=lambda: "ok")
            port = await nursery.start(serve_health, health, "127.0.0.1", 0)
            with pytest.raises(OSError, match="in use"):
                await serve_health(health, "127.0.0.1", port)
            nursery.cancel_scope.cancel()

    with_limit(main)
