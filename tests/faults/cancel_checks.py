"""What must be so after a storm of cancelled queries."""

from __future__ import annotations

from tests.faults.cancel_storm import Held, is_idle, wait_for
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client as Sql

THREADS_MORE_MAX = 12  # gRPC keeps some threads for the next calls


def check_nothing_stays(server: ServerProcess, before: Held) -> None:
    """Idle, and with as much in its hands as before the storm."""
    wait_for(lambda: is_idle(server), "the server is not idle after the storm")
    wait_for(lambda: Held.by(server).threads <= before.threads + THREADS_MORE_MAX, f"threads: {Held.by(server)}")
    wait_for(lambda: Held.by(server).handles <= before.handles + 2, f"handles: {Held.by(server)}, were {before}")
    wait_for(lambda: Held.by(server).temporary_files == 0, f"files: {Held.by(server)}")


def check_answers(server: ServerProcess, rows: int) -> None:
    with server.connect() as connection:
        client = Sql(connection)
        assert client.value("SELECT count(*) FROM stormed") == rows
        assert client.value("SELECT count(DISTINCT v) FROM stormed") == 1
        assert client.value("SELECT count(*) FROM system.queries WHERE state = 'running'") <= 1
