"""Connections that are none: idle, half-open, random bytes, HTTP/1, a TLS greeting, and far too many.

Others are served meanwhile; handles and threads go back afterwards; the log holds no line for each of them. All over
loopback, some thousands of connections at most, each closed by the test.
"""

from __future__ import annotations

import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

import pytest

from tests.faults.long.conftest import Shift
from tests.faults.long.figures import back_at, figures_of
from tests.faults.long.neighbour import Neighbour
from tests.faults.long.network_target import target_of
from tests.faults.mixed_load import gone_quietly
from tests.support.server_process import ServerProcess

CONNECTIONS = 2000
LOG_LINES_MAX = 50
RSS_MIB_MAX = 600
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HTTP_1 = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(64)

Open = Callable[[tuple[str, int], Random], socket.socket]

pytestmark = pytest.mark.long


def idle(target: tuple[str, int], _: Random) -> socket.socket:
    return socket.create_connection(target, timeout=10)


def saying(words: bytes) -> Open:
    def speak(target: tuple[str, int], _: Random) -> socket.socket:
        connection = idle(target, _)
        with suppress(OSError):
            connection.sendall(words)
        return connection

    return speak


def raving(target: tuple[str, int], random: Random) -> socket.socket:
    before = PREFACE if random.random() < 0.5 else b""
    return saying(before + random.randbytes(random.randint(1, 4000)))(target, random)


def vanishing(target: tuple[str, int], random: Random) -> socket.socket:
    """Reset at once, before or after some words."""
    connection = raving(target, random)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return connection


KINDS: dict[str, Open] = {
    "idle": idle,
    "half a greeting": saying(PREFACE[:10]),
    "a greeting and no more": saying(PREFACE),
    "random bytes": raving,
    "HTTP/1": saying(HTTP_1 * 20),
    "TLS to plaintext": saying(TLS_HELLO),
    "reset": vanishing,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        with gone_quietly(process.connect()) as connection, gone_quietly(connection.cursor()) as cursor:
            cursor.execute("SELECT count(*) FROM generate_series(1, 3000000)")
            cursor.fetchall()
        yield process


def test_thousands_of_bad_connections_hinder_nobody(server: ServerProcess, shift: Shift):
    process_id, random = server.process.pid, shift.random
    count = min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    base, lines = figures_of(process_id), len(server.stderr)
    for round_ in shift.rounds(len(KINDS)):
        name = list(KINDS)[round_ % len(KINDS)]
        with Neighbour(server) as neighbour:
            connections, most = opened(server, KINDS[name], random, count)
        for connection in connections:
            connection.close()
        now = figures_of(process_id)
        print(f"{name}: {len(connections)} connections, {most} handles at most, {now.rss_mib} MiB, {neighbour}")
        neighbour.check()
        assert most <= base.handles + count + 20
        assert now.rss_mib < RSS_MIB_MAX
        back_at(base, process_id, handles_more=8, threads_more=16, seconds=60)
    said = server.stderr[lines:]
    assert len(said) < LOG_LINES_MAX, said[:5]
    assert not [line for line in said if "Traceback" in line]


def opened(server: ServerProcess, kind: Open, random: Random, count: int) -> tuple[list[socket.socket], int]:
    """Connections, as many as the server takes, and the most handles that it had."""
    connections, most = [], 0
    for number in range(count):
        try:
            connections.append(kind(target_of(server), random))
        except OSError:
            break
        if number % 100 == 0:
            most = max(most, figures_of(server.process.pid).handles)
    return connections, most


def test_a_server_out_of_handles_lives_on(tmp_path_factory: pytest.TempPathFactory, shift: Shift):
    """More connections than the server may have handles: some wait, and once they are gone all is well."""
    for _ in shift.rounds(1):
        with ServerProcess(tmp_path_factory.mktemp("handles") / "data") as server:
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (200, 200))
            with server.connect() as connection, connection.cursor() as cursor:
                cursor.execute("CREATE TABLE t (k BIGINT)")
            base, lines = figures_of(server.process.pid), len(server.stderr)
            connections, most = opened(server, idle, shift.random, 400)
            print(f"{len(connections)} connections, {most} handles at most, {len(server.stderr) - lines} lines of log")
            assert most <= 200
            for connection in connections:
                connection.close()
            back_at(base, server.process.pid, handles_more=8, threads_more=16, seconds=60)
            with server.connect() as connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO t VALUES (1)")
                cursor.execute("SELECT k FROM t")
                assert cursor.fetchall() == [(1,)]
            assert len(server.stderr) - lines < LOG_LINES_MAX, server.stderr[lines:][:5]
            assert server.stop() == 0
