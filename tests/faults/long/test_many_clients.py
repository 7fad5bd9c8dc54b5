"""Two hundred clients at once, each doing a bit of everything: no error, no wrong answer, nothing left behind.

Every client works on rows of its own in tables that all share, so it knows at each moment what it must find.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pyarrow as pa
import pytest

from tests.faults.long.conftest import Shift
from tests.faults.long.figures import back_at, figures_of
from tests.faults.mixed_load import gone_quietly
from tests.support.server_process import ServerProcess

CLIENTS = 200
ROUNDS_MIN = 3
LOADED_ROWS = 20
RSS_MIB_MORE_MAX = 600  # hot rows, kept plans, what allocators keep

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        with gone_quietly(process.connect()) as connection, gone_quietly(connection.cursor()) as cursor:
            cursor.execute("CREATE TABLE keyed (client BIGINT, k BIGINT, n BIGINT, PRIMARY KEY (client, k))")
            cursor.execute("CREATE TABLE events (client BIGINT, n BIGINT)")
        yield process


class Client:
    """One connection and what it must find: `rows` of `keyed` (k -> n) and the count of its `events`."""

    def __init__(self, server: ServerProcess, number: int, seed: int) -> None:
        self.number = number
        self.connection = server.connect()
        self._cursor = self.connection.cursor()
        self._random = Random(seed * CLIENTS + number)
        self._rows: dict[int, int] = {}
        self._events = 0

    def work(self) -> None:
        """One round."""
        step = self._random.choice((self.insert, self.upsert, self.change, self.load, self.undo, self.look_around))
        step()
        self.check()

    def insert(self) -> None:
        k = len(self._rows)
        self._cursor.execute("INSERT INTO keyed VALUES (?, ?, ?)", (self.number, k, k))
        self._rows[k] = k

    def upsert(self) -> None:
        k, n = self._random.randrange(len(self._rows) + 1), self._random.randrange(1000)
        text = "INSERT INTO keyed VALUES (?, ?, ?) ON CONFLICT (client, k) DO UPDATE SET n = excluded.n"
        self._cursor.execute(text, (self.number, k, n))
        self._rows[k] = n

    def change(self) -> None:
        self._cursor.execute(f"UPDATE keyed SET n = n + 1 WHERE client = {self.number}")
        self._rows = {k: n + 1 for k, n in self._rows.items()}

    def load(self) -> None:
        rows = pa.table({"client": [self.number] * LOADED_ROWS, "n": list(range(LOADED_ROWS))})
        self._cursor.adbc_ingest("events", rows, mode="append")
        self._events += LOADED_ROWS

    def undo(self) -> None:
        self._cursor.execute("BEGIN")
        self._cursor.execute(f"DELETE FROM keyed WHERE client = {self.number}")
        self._cursor.execute("ROLLBACK")

    def look_around(self) -> None:
        tables = self.connection.adbc_get_objects(depth="tables", table_name_filter="keyed").read_all()
        assert tables.num_rows == 1

    def check(self) -> None:
        self._cursor.execute(f"SELECT k, n FROM keyed WHERE client = {self.number}")
        assert dict(self._cursor.fetchall()) == self._rows
        self._cursor.execute("SELECT count(*) FROM events WHERE client = ?", (self.number,))
        assert self._cursor.fetchall() == [(self._events,)]

    def close(self) -> None:
        self._cursor.close()
        self.connection.close()


def test_two_hundred_clients_do_mixed_work_without_an_error_or_a_leak(server: ServerProcess, shift: Shift):
    base = figures_of(server.process.pid)
    failed: list[str] = []
    done = [0] * CLIENTS
    with ExitStack() as open_clients:
        clients = [Client(server, number, shift.seed) for number in range(CLIENTS)]
        for client in clients:
            open_clients.callback(client.close)

        def run(client: Client) -> None:
            try:
                while done[client.number] < ROUNDS_MIN or shift.seconds_left > 0:
                    client.work()
                    done[client.number] += 1
            except Exception as error:
                failed.append(f"client {client.number}: {error!r}")

        threads = [threading.Thread(target=run, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"{sum(done)} rounds, the slowest client did {min(done)}")
    assert failed == []
    back_at(base, server.process.pid, handles_more=8, threads_more=16)
    assert figures_of(server.process.pid).rss_mib <= base.rss_mib + RSS_MIB_MORE_MAX
