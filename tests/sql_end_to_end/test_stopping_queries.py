"""After a cancel nothing burns and nothing is held: each kind of plan, stopped in each way, within two seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.flight as flight
import pytest

from flight_server.sql.context.running_statements import TEXT_CHARACTERS_MAX
from flight_server.wire import flight_sql_pb2 as pb
from tests.clients.messages import RawClient
from tests.faults.cancel_storm import cpu_seconds
from tests.support.flight_client import packed, wait_until
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client as Sql

MEMORY_BYTES_MAX = 400_000_000
SETTINGS = f"[query]\nmemory_bytes_max = {MEMORY_BYTES_MAX}\n"
KEPT_BYTES_MAX = 2 * MEMORY_BYTES_MAX  # a server that kept what each of these queries held would be past it soon
HALF_SECONDS_MAX = 5  # the last of them begins two seconds after the cancel
ENDLESS = "generate_series(1, 1000000000000) AS s (v)"
PLANS = {
    "scan": f"SELECT max(md5(CAST(n AS VARCHAR))) FROM ({' UNION ALL '.join(['SELECT n FROM big'] * 150)})",
    "filter": f"SELECT v FROM {ENDLESS} WHERE v < 0",
    "hash join": f"SELECT count(*) FROM big JOIN {ENDLESS} ON n = v % 200000",
    "sort": f"SELECT v, sin(v) FROM {ENDLESS} ORDER BY 2",
    "aggregate": f"SELECT sum(sqrt(v)) FROM {ENDLESS}",
    "groups": f"SELECT v % 1000000, count(*), sum(v) FROM {ENDLESS} GROUP BY 1",
    "window": f"SELECT max(w) FROM (SELECT sum(v) OVER (PARTITION BY v % 7 ORDER BY v) AS w FROM {ENDLESS})",
    "recursion": (
        "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 1000000000) SELECT max(i) FROM r"
    ),
    "one call": "SELECT levenshtein(repeat('ab', 1000000), repeat('ba', 1000000))",
    "one constant": "SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 100000)))",
    "pairs": "SELECT count(*) FROM (SELECT n FROM big WHERE n < 90000) a JOIN big b ON a.n < b.n - 999999",
    "pairs of one key": "SELECT count(*) FROM big a JOIN big b ON a.k = b.k AND a.n + b.n < 0",
}
CHANGES = {
    "insert": f"INSERT INTO target SELECT v, v % 7 FROM {ENDLESS}",
    "create": f"CREATE TABLE made AS SELECT v FROM {ENDLESS}",
    "update": f"UPDATE big SET n = (SELECT sum(sqrt(v)) FROM {ENDLESS})",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("stopping")
    (folder / "settings.toml").write_text(SETTINGS)
    with ServerProcess(folder / "data", "--config", str(folder / "settings.toml")) as process:
        with process.connect() as connection:
            client = Sql(connection)
            client.do("CREATE TABLE big (k INT, n BIGINT); CREATE TABLE target (id BIGINT PRIMARY KEY, n BIGINT)")
            client.do("INSERT INTO big SELECT value % 10, value FROM generate_series(1, 300000)")
        yield process


class Running:
    """A statement under way on a connection of its own, read by a thread."""

    def __init__(self, server: ServerProcess, admin: Sql, sql: str, *, is_change: bool = False) -> None:
        self.client = RawClient(server.uri)
        self.admin = admin
        self.info: flight.FlightInfo | None = None
        self.reader: flight.FlightStreamReader | None = None
        self.error: BaseException | None = None
        if not is_change:
            self.info = self.client.query(sql)
            self.reader = self.client.flight.do_get(self.info.endpoints[0].ticket, self.client.options)
        self._thread = threading.Thread(target=self._run, args=(sql,), daemon=True)
        self._thread.start()
        shown = sql[:TEXT_CHARACTERS_MAX]
        found = "SELECT query_id FROM system.queries WHERE text = ? AND state = 'running'"
        wait_until(lambda: bool(admin.rows(found, (shown,))), seconds=20)
        [(self.id,)] = admin.rows(found, (shown,))

    def _run(self, sql: str) -> None:
        try:
            if self.reader is None:
                self.client.run(sql)
            else:
                for _ in self.reader:
                    pass
        except BaseException as error:  # pyarrow makes a KeyboardInterrupt of some cancels
            self.error = error

    def stop(self, how: str) -> None:
        if how == "kill":
            self.admin.do(f"KILL QUERY '{self.id}'")
        elif how == "leave":
            assert self.reader is not None
            self.reader.cancel()
        else:
            assert self.info is not None
            if how == "CancelFlightInfo":
                message = pb.CancelFlightInfoRequest(info=pb.FlightInfo.FromString(self.info.serialize()))
                body = message.SerializeToString()
            else:
                body = packed(pb.ActionCancelQueryRequest(info=self.info.serialize()))
            list(self.client.flight.do_action(flight.Action(how, body), self.client.options))

    def ended(self) -> BaseException | None:
        self._thread.join(timeout=10)
        assert not self._thread.is_alive(), "the client still waits"
        self.client.flight.close()
        return self.error


@pytest.fixture
def admin(server: ServerProcess) -> Iterator[Sql]:
    with server.connect() as connection:
        yield Sql(connection)


def resident_bytes(server: ServerProcess) -> int:
    fields = Path(f"/proc/{server.process.pid}/statm").read_text().split()
    return int(fields[1]) * 4096


@pytest.fixture(scope="module")
def base(server: ServerProcess) -> int:
    """Resident bytes before the first of the queries."""
    return resident_bytes(server)


def used_in_half_a_second(server: ServerProcess) -> float:
    """Processor seconds."""
    before = cpu_seconds(server)
    time.sleep(0.5)
    return cpu_seconds(server) - before


def check_rest(server: ServerProcess, admin: Sql, running: Running, base_bytes: int) -> None:
    """Within two seconds of the cancel: no work, no memory but what allocators keep for the next query, no file."""
    assert any(used_in_half_a_second(server) < 0.15 for _ in range(HALF_SECONDS_MAX)), "it goes on after the cancel"
    used = used_in_half_a_second(server)  # and it stays so
    assert used < 0.15, f"{used:.2f} s of processor time within half a second, after the cancel"
    grown = resident_bytes(server) - base_bytes
    assert grown < KEPT_BYTES_MAX, f"{grown >> 20} MiB more than before"
    assert not [path for path in (server.data / "spill").rglob("*") if path.is_file()]
    [(state,)] = admin.rows("SELECT state FROM system.queries WHERE query_id = ?", (running.id,))
    assert state == "cancelled"
    assert running.ended() is not None


@pytest.mark.parametrize("plan", PLANS)
def test_a_killed_query_leaves_processor_and_memory_free(
    server: ServerProcess, admin: Sql, base: int, plan: str
) -> None:
    running = Running(server, admin, PLANS[plan])
    time.sleep(0.5)
    assert cpu_seconds(server) > 0
    running.stop("kill")
    check_rest(server, admin, running, base)


@pytest.mark.parametrize(
    ("plan", "how"), [("stream", "CancelFlightInfo"), ("stream", "CancelQuery"), ("stream", "leave"), ("sort", "leave")]
)
def test_however_it_is_cancelled(server: ServerProcess, admin: Sql, base: int, plan: str, how: str) -> None:
    running = Running(server, admin, PLANS.get(plan, f"SELECT v, '{how}' AS how FROM {ENDLESS}"))
    time.sleep(0.5)
    running.stop(how)
    check_rest(server, admin, running, base)


@pytest.mark.parametrize("change", CHANGES)
def test_a_killed_change_stores_nothing_and_leaves_everything_free(
    server: ServerProcess, admin: Sql, base: int, change: str
) -> None:
    running = Running(server, admin, CHANGES[change], is_change=True)
    time.sleep(0.5)
    running.stop("kill")
    check_rest(server, admin, running, base)
    assert admin.value("SELECT count(*) FROM target") == 0
    assert admin.value("SELECT max(n) FROM big") == 300_000
    assert admin.sqlstate("SELECT * FROM made") == "42P01"
    tables = server.data / "cold" / "public"
    assert not [*tables.glob("target/*.parquet"), *tables.glob("made/*.parquet")]


def test_a_query_says_how_far_it_is_and_what_became_of_it(server: ServerProcess, admin: Sql) -> None:
    sql = "SELECT value FROM generate_series(1, 1000000)"
    assert admin.table(sql).num_rows == 1_000_000
    shown = 'SELECT "user", state, rows, bytes >= 8000000, elapsed_ms > 0 FROM system.queries WHERE text = ?'
    assert admin.rows(f"{shown} ORDER BY started DESC LIMIT 1", (sql,)) == [("root", "finished", 1_000_000, True, True)]
    failing = "SELECT 1 / (value - 500000) FROM generate_series(1, 1000000)"
    assert admin.sqlstate(failing) == "22012"
    assert admin.rows("SELECT DISTINCT state FROM system.queries WHERE text = ?", (failing,)) == [("failed",)]
    assert admin.sqlstate("KILL QUERY 'no-such'") == "42704"
