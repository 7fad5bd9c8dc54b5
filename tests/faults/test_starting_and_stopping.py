"""Two servers on one directory, locks of the dead, copied directories; signals in the middle of everything.

Stopping is in order, in time and without loss: exit code 0 within `shutdown_seconds_max`, what was acknowledged is
there afterwards, the rest is there whole or not at all.

Elsewhere: the second server is told who holds the directory, signals while idle and while starting, a kill
(tests/test_cli.py); the shares of the time to stop, and flushes on the way out (tests/test_stopping.py); stops under
load (test_crash.py). The fence of a manifest on S3: once there are other storages.
"""

from __future__ import annotations

import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from tests.faults.abused import AS_ROOT, select
from tests.faults.cancel_storm import ROWS, _ingest
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

SHUTDOWN_SECONDS_MAX = 6
EXIT_IN_USE, EXIT_DISK = 3, 5
ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000)"


@contextmanager
def served(data: Path) -> Iterator[ServerProcess]:
    config = data.with_suffix(".toml")
    config.write_text(f"[server]\nshutdown_seconds_max = {SHUTDOWN_SECONDS_MAX}\n")
    with ServerProcess(data, "--config", str(config)) as server:
        yield server


@contextmanager
def speaking(server: ServerProcess) -> Iterator[Client]:
    """To be left before the server is stopped: the driver would look for it for half a minute."""
    with server.connect() as connection:
        yield Client(connection)


def rows_in(server: ServerProcess, table: str = "t") -> int:
    with speaking(server) as client:
        return client.value(f"SELECT count(*) FROM {table}")


def rows_after(server: ServerProcess, statement: str) -> int:
    with speaking(server) as client:
        client.do(statement)
    return rows_in(server)


# --- 14: one directory ------------------------------------------------------------------------------------------


def end_of(server: ServerProcess) -> int:
    """The exit code of a start that fails, which says so in one line."""
    code = server.wait()
    assert [line for line in server.stderr if "Traceback" in line and not line.startswith("{")] == []
    assert server.stderr[-1].startswith("frostline: ")
    return code


def test_of_servers_started_at_once_on_one_directory_one_serves(tmp_path: Path):
    (tmp_path / "other").symlink_to(tmp_path, target_is_directory=True)  # by another name it is the same
    servers = [ServerProcess(tmp_path / name, is_forked=False) for name in ("data", "data", "other/data")]
    try:
        for server in servers:
            server.start()
        deadline = time.monotonic() + 60
        while sum(server.process.poll() is None for server in servers) > 1:
            assert time.monotonic() < deadline, "more than one server lives"
            time.sleep(0.05)
        [winner] = [server for server in servers if server.process.poll() is None]
        assert [end_of(server) for server in servers if server is not winner] == [EXIT_IN_USE] * 2
        winner.wait_ready()
        assert rows_in(winner, "system.namespaces") > 0
        assert winner.stop() == 0
    finally:
        for server in servers:
            server.end()


@pytest.mark.parametrize("holder", [f"process 1 on {socket.gethostname()}\n", "\0" * 9], ids=["alive", "torn"])
def test_the_lock_file_of_a_dead_server_is_taken_over_whatever_it_says(tmp_path: Path, holder: str):
    with served(tmp_path / "data") as server:
        with speaking(server) as client:
            client.do("CREATE TABLE t AS SELECT 1 AS a")
        server.kill()
    lock = tmp_path / "data" / "frostline.lock"
    lock.write_text(holder)
    with served(tmp_path / "data") as server:
        assert f"process {server.process.pid} on " in lock.read_text()
        assert rows_in(server) == 1
        assert server.stop() == 0


def test_a_lock_file_that_was_removed_still_lets_no_second_server_in(tmp_path: Path):
    """The row store has a lock of its own."""
    with served(tmp_path / "data") as server:
        rows_after(server, "CREATE TABLE t AS SELECT 1 AS a")
        (tmp_path / "data" / "frostline.lock").unlink()
        second = ServerProcess(tmp_path / "data")
        second.start()
        try:
            assert end_of(second) in (EXIT_IN_USE, EXIT_DISK)
            assert any(word in second.stderr[-1].lower() for word in ("in use", "lock")), second.stderr[-1]
        finally:
            second.end()
        assert rows_after(server, "INSERT INTO t VALUES (2)") == 2
        assert server.stop() == 0


def test_a_directory_copied_while_it_is_served_is_one_of_its_own(tmp_path: Path):
    """As a crash would have left it: what was acknowledged before is there, and neither knows of the other."""
    with served(tmp_path / "data") as server:
        with speaking(server) as client:
            client.do("CREATE TABLE t (a BIGINT)")
            client.do("INSERT INTO t SELECT value FROM generate_series(1, 1000)")
            client.flush("t")
            client.do("INSERT INTO t VALUES (-1), (-2)")
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
        with served(tmp_path / "copy") as second:
            assert rows_in(second) == 1002
            with speaking(second) as other:
                other.do("DELETE FROM t WHERE a > 500")
                other.compact("t")
            assert rows_after(server, "INSERT INTO t VALUES (-3)") == 1003
            assert rows_in(second) == 502
            assert second.stop() == 0
        with speaking(server) as client:
            client.flush("t")
        assert rows_in(server) == 1003
        assert server.stop() == 0


# --- 15: signals -------------------------------------------------------------------------------------------------


def check_stops(server: ServerProcess, number: signal.Signals) -> None:
    """In time, with code 0."""
    began = time.monotonic()
    server.signal(number)
    assert server.wait() == 0
    assert time.monotonic() - began < SHUTDOWN_SECONDS_MAX + 10  # so much a busy machine may need to end a process
    assert "internal_error" not in {event["event"] for event in server.events}


def wait_for_query(server: ServerProcess, text: str) -> None:
    with speaking(server) as client:
        while not client.rows(f"SELECT 1 FROM system.queries WHERE state = 'running' AND text LIKE '{text}%'"):
            time.sleep(0.02)


def test_a_signal_in_the_middle_of_a_flush_loses_no_row(tmp_path: Path):
    with served(tmp_path / "data") as server:
        with speaking(server) as client:
            client.do("CREATE TABLE t (a BIGINT PRIMARY KEY, b VARCHAR) WITH (flush_policy = 'rows:100000000')")
            for part in range(3):
                first = part * 100_000
                client.do(f"INSERT INTO t SELECT {first} + value, repeat('x', 100) FROM generate_series(1, 100000)")
            client.rows("FLUSH TABLE t")
            while not client.rows("SELECT 1 FROM system.jobs WHERE job_type = 'flush' AND status <> 'queued'"):
                time.sleep(0.005)
        check_stops(server, signal.SIGTERM)
    with served(tmp_path / "data") as server:
        with speaking(server) as client:
            assert client.rows("SELECT count(*), count(DISTINCT a), max(a) FROM t") == [(300_000,) * 3]
            client.flush("t")
            assert client.value("SELECT count(*) FROM t") == 300_000
        assert server.stop() == 0
    assert list((tmp_path / "data").rglob("*.part")) == []


def test_a_signal_in_the_middle_of_an_upload_stores_all_of_it_or_nothing(tmp_path: Path):
    with served(tmp_path / "data") as server:
        with speaking(server) as client:
            client.do("CREATE TABLE stormed (k BIGINT, v VARCHAR)")
        told: list[Exception] = []
        sent = threading.Event()

        def upload() -> None:
            with flight.connect(server.uri) as uploader:
                try:
                    writer, _ = uploader.do_put(_ingest(), ROWS.schema, AS_ROOT)
                    while True:
                        writer.write_table(ROWS)
                        sent.set()
                except (pa.ArrowException, OSError) as error:
                    told.append(error)

        thread = threading.Thread(target=upload)
        thread.start()
        assert sent.wait(30)
        check_stops(server, signal.SIGTERM)
        thread.join(30)
        assert not thread.is_alive()
    assert len(told) == 1
    assert ".py" not in str(told[0])
    with served(tmp_path / "data") as server:
        assert rows_in(server, "stormed") == 0
        assert server.stop() == 0


def test_while_queries_end_no_new_ones_begin(tmp_path: Path):
    with served(tmp_path / "data") as server, flight.connect(server.uri) as client:
        reader = client.do_get(client.get_flight_info(select(ENDLESS), AS_ROOT).endpoints[0].ticket, AS_ROOT)
        wait_for_query(server, ENDLESS[:20])
        began = time.monotonic()
        server.signal(signal.SIGINT)
        while not any(event["event"] == "stopping" for event in server.events):
            time.sleep(0.01)
        while server.health("/readyz")[0] != 503:
            time.sleep(0.01)
        with pytest.raises(flight.FlightUnavailableError, match=r"^\[57P01\] the server is shutting down"):
            client.get_flight_info(select("SELECT 1"), AS_ROOT)
        with pytest.raises((flight.FlightCancelledError, flight.FlightUnavailableError)) as ended:
            reader.read_chunk()
        assert "shutting down" in str(ended.value)
        assert server.wait() == 0
        assert time.monotonic() - began < SHUTDOWN_SECONDS_MAX + 10


def test_a_second_signal_while_queries_end_is_now(tmp_path: Path):
    with served(tmp_path / "data") as server, flight.connect(server.uri) as client:
        with speaking(server) as before:
            before.do("CREATE TABLE t AS SELECT 1 AS a")
        # Without a name for its reader the call would be given up at once, and the wait for it might never end.
        reader = client.do_get(client.get_flight_info(select(ENDLESS), AS_ROOT).endpoints[0].ticket, AS_ROOT)
        wait_for_query(server, ENDLESS[:20])
        server.signal(signal.SIGTERM)
        while not any(event["event"] == "stopping" for event in server.events):
            time.sleep(0.01)
        server.signal(signal.SIGTERM)
        assert server.wait() == 128 + signal.SIGTERM
        with pytest.raises((flight.FlightError, OSError)):
            reader.read_chunk()
    with served(tmp_path / "data") as server:
        assert rows_in(server) == 1
        assert server.stop() == 0


def test_a_signal_at_any_moment_of_a_start_leaves_a_directory_that_opens(tmp_path: Path):
    """Recovery, the first files, the users, the port: wherever it is met, the next start finds its rows."""
    with served(tmp_path / "data") as server:
        with speaking(server) as client:
            client.do("CREATE TABLE t (a BIGINT)")
            client.do("INSERT INTO t SELECT value FROM generate_series(1, 50000)")
        server.kill()
    ends = set()
    for part in range(4):
        process = ServerProcess(tmp_path / "data", is_forked=False)
        process.start()
        try:
            while not process.stderr and process.process.poll() is None and part > 1:
                time.sleep(0.005)  # the first line of the log: from here on it opens
            time.sleep(part * 0.15)
            process.signal(signal.SIGTERM if part % 2 else signal.SIGINT)
            code = process.wait()
        finally:
            process.end()
        # Before there is anything to stop in order, a signal ends any process. Python says 1 while it starts itself.
        ends.add(-signal.SIGINT if (part, code) == (0, 1) else code)
    assert ends <= {0, -signal.SIGTERM, -signal.SIGINT, 130}, ends
    assert 0 in ends
    with served(tmp_path / "data") as server:
        assert rows_in(server) == 50_000
        assert server.stop() == 0
