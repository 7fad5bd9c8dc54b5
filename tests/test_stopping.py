"""How a server stops: in order, in time, and at once when told twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_process import REPOSITORY, ServerProcess

# The signal watch alone, in a process that does not come to its end.
STUCK = """
import sys, time, trio
from flight_server.monitoring import log
from flight_server.app import _watch_signals

async def main():
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_signals, stop, float(sys.argv[1]))
        print("watching", flush=True)
        await stop.wait()
        print("stopping", flush=True)
        await trio.to_thread.run_sync(time.sleep, 600)

log.configure()
trio.run(main)
"""


# A client of its own process: the driver can't close a statement whose server is gone, and says so at its end.
RUN_ON = """
import sys
from adbc_driver_flightsql import dbapi
connection = dbapi.connect(sys.argv[1], db_kwargs={"username": "root", "password": sys.argv[2]}, autocommit=True)
cursor = connection.cursor()
cursor.execute("SELECT count(*) FROM generate_series(1, 1000000000000)")
print(cursor.fetchall())
"""


@contextmanager
def stuck_process(seconds_max: float) -> Iterator[subprocess.Popen[str]]:
    """A process that was told to stop and does not come to its end."""
    command = [sys.executable, "-c", STUCK, str(seconds_max)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "watching\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "stopping\n"
            yield process
        finally:
            process.kill()


def test_a_second_signal_ends_it_at_once():
    with stuck_process(seconds_max=600) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 128 + signal.SIGINT


def test_the_time_limit_ends_it_with_code_0_though_a_thread_is_stuck():
    with stuck_process(seconds_max=0.2) as process:
        assert process.wait(20) == 0


def rows_of(server: ServerProcess, sql: str) -> list[tuple[Any, ...]]:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def run(server: ServerProcess, *texts: str) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        for text in texts:
            cursor.execute(text)


@pytest.mark.parametrize(("wanted", "hot_rows"), [("none", 3), ("due", 3), ("all", 0)])
def test_a_stop_flushes_what_the_settings_ask_for_and_loses_nothing(wanted: str, hot_rows: int, tmp_path: Path):
    config = tmp_path / "c.toml"
    config.write_text(f"[jobs]\nflush_at_shutdown = '{wanted}'\n")
    with ServerProcess(tmp_path / "data", "--config", str(config)) as server:
        run(server, "CREATE TABLE t (a BIGINT)", "INSERT INTO t VALUES (1), (2), (3)")
        assert server.stop() == 0
    with ServerProcess(tmp_path / "data", "--config", str(config)) as server:
        assert rows_of(server, "SELECT count(*) FROM t") == [(3,)]
        flushes = rows_of(server, "SELECT rows FROM system.jobs WHERE job_type = 'flush' AND status = 'completed'")
        assert flushes == ([] if hot_rows else [(3,)])
        assert server.stop() == 0


def test_a_statement_that_runs_on_is_cancelled_when_the_time_to_drain_is_up(tmp_path: Path):
    config = tmp_path / "c.toml"
    config.write_text("[server]\nshutdown_seconds_max = 4\n")
    with ServerProcess(tmp_path / "data", "--config", str(config)) as server:
        assert server.root_password is not None
        command = [sys.executable, "-c", RUN_ON, server.uri, server.root_password]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as caller:
            while (1,) not in rows_of(
                server, "SELECT 1 FROM system.queries WHERE text LIKE 'SELECT count(*) FROM gen%'"
            ):
                time.sleep(0.05)
            began = time.monotonic()
            assert server.stop() == 0
            assert 1.5 < time.monotonic() - began < 8
            assert caller.communicate(timeout=20)[0] == ""
            assert caller.returncode != 0
