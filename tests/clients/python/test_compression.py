"""Results that are compressed on their way, for sessions that ask for it."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from tests.clients.messages import RawClient
from tests.support.server_process import ServerProcess

MANY = "SELECT value AS n, 'always the same text' AS t FROM generate_series(1, 200000)"


class CountingProxy:
    """Forwards one connection and counts what the server sends over it."""

    def __init__(self, uri: str) -> None:
        self._target = urlsplit(uri)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"grpc://127.0.0.1:{self._listener.getsockname()[1]}"
        self.bytes = 0
        threading.Thread(target=self._forward, daemon=True).start()

    def _forward(self) -> None:
        with self._listener, contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            with client, socket.create_connection((self._target.hostname, self._target.port)) as server:
                there = threading.Thread(target=self._pump, args=(client, server), daemon=True)
                there.start()
                self._pump(server, client, counted=True)
                there.join()

    def _pump(self, source: socket.socket, sink: socket.socket, *, counted: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.bytes += len(data) if counted else 0
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def fetched(server: ServerProcess, compression: str, sql: str) -> tuple[pa.Table, int]:
    """The rows, and the bytes in which they came, all that was said besides included."""
    proxy = CountingProxy(server.uri)
    with RawClient(proxy.uri) as client:
        client.run(f"SET compression = '{compression}'")
        return client.fetch(client.query(sql)), proxy.bytes


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_results_are_the_same_in_fewer_bytes(server, compression):
    plain, plain_bytes = fetched(server, "none", MANY)
    compressed, compressed_bytes = fetched(server, compression, MANY)
    assert compressed == plain
    assert plain_bytes > 4_000_000
    assert compressed_bytes < plain_bytes / 2


@pytest.mark.parametrize(
    "sql", ["SELECT 1 AS one", "SELECT arrow_cast('w', 'Dictionary(Int32, Utf8)') AS w", "SHOW ALL"]
)
def test_every_kind_of_result_can_be_compressed(server, sql):
    assert fetched(server, "zstd", sql)[0].num_rows > 0


def test_adbc_asks_for_it_by_a_session_option(connect):
    db = connect()
    db.adbc_connection.set_options(**{"adbc.flight.sql.session.option.compression": "lz4"})
    with db.cursor() as cursor:
        cursor.execute("SHOW compression")
        assert cursor.fetchone() == ("lz4",)
        cursor.execute(MANY)
        assert cursor.fetch_arrow_table().num_rows == 200_000


def test_an_unknown_compression_is_refused(cursor):
    with pytest.raises(Exception, match=r"\[22023\].*none, lz4, zstd"):
        cursor.execute("SET compression = 'rar'")
