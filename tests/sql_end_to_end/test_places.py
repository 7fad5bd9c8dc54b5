"""Places for running queries on a real server: one streams, the next waits in line, short ones pass by."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.support.flight_client import wait_until
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

SETTINGS = "[query]\nrunning_max = 1\nqueue_seconds_max = 3.0\n"
ENDLESS = "SELECT sum(sqrt(value)) FROM generate_series(1, 1000000000000)"
LONG = "SELECT count(*) FROM generate_series(1, 100000)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("places")
    (folder / "settings.toml").write_text(SETTINGS)
    with ServerProcess(folder / "data", "--config", str(folder / "settings.toml")) as process:
        yield process


def test_a_query_waits_in_line_is_refused_in_time_and_runs_when_there_is_room(server: ServerProcess) -> None:
    with server.connect() as one, server.connect() as two, server.connect() as three:
        first, second, admin = Client(one), Client(two), Client(three)
        outcome: list[str] = []

        def run() -> None:
            with pytest.raises(Refused) as refused:
                first.value(ENDLESS)
            outcome.append(refused.value.sqlstate)

        thread = threading.Thread(target=run)
        thread.start()
        ids = "SELECT query_id FROM system.queries WHERE state = ? AND text = ?"
        wait_until(lambda: bool(admin.rows(ids, ("running", ENDLESS))), seconds=20)
        assert second.sqlstate(LONG) == "53300"
        assert second.sqlstate("CREATE TABLE made AS SELECT value FROM generate_series(1, 100000)") == "53300"
        assert second.value("SELECT 1 + 1") == 2  # short ones need no place
        waiting = threading.Thread(target=lambda: outcome.append(str(second.value(LONG))))
        waiting.start()
        wait_until(lambda: bool(admin.rows(ids, ("queued", LONG))), seconds=10)
        [(running,)] = admin.rows(ids, ("running", ENDLESS))
        admin.do(f"KILL QUERY '{running}'")
        thread.join(timeout=10)
        waiting.join(timeout=10)
        assert sorted(outcome) == ["100000", "57014"]
