"""kill -9 under mixed load, again and again: what was acknowledged is there once, what was pending whole or not at all.

The oracle is outside of the server: each client's history. A failing run names its seed; to run it again:
FROSTLINE_CRASH_SEED=<seed> make test ARGS='-k killed'
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from storage.clock import SystemClock
from storage.engine import Engine
from storage.settings import StorageSettings
from tests.server_process import REPOSITORY, ROOT_PASSWORD, ServerProcess

ROUNDS = 10
CLIENTS = 3
SETTINGS = """\
[storage]
hot_statement_bytes_max = 100_000
[jobs]
flush_check_seconds = 0.2
"""


@dataclass
class Expected:
    """What the tables must hold: `keys` of kv, `events` as number -> rows."""

    keys: dict[int, int] = field(default_factory=dict)
    events: dict[int, int] = field(default_factory=dict)


@pytest.mark.timeout(300)
def test_a_server_killed_under_load_loses_and_doubles_nothing(tmp_path: Path):
    seed = int(os.environ.get("FROSTLINE_CRASH_SEED", random.SystemRandom().randrange(1 << 20)))
    print(f"FROSTLINE_CRASH_SEED={seed}")
    chance, expected = random.Random(seed), Expected()
    settings = tmp_path / "settings.toml"
    settings.write_text(SETTINGS)
    with _server(tmp_path, settings) as server, server.connect() as connection, connection.cursor() as cursor:
        keyed = "CREATE TABLE kv (id BIGINT PRIMARY KEY, v BIGINT, note VARCHAR)"
        cursor.execute(f"{keyed} WITH (flush_policy = 'rows:200,interval:1')")
        cursor.execute("CREATE TABLE events (number BIGINT, row BIGINT) WITH (flush_policy = 'rows:500,interval:1')")
    for number in range(1, ROUNDS + 1):
        with _server(tmp_path, settings) as server:
            histories = _load(server, tmp_path, seed + number, chance.uniform(0.5, 2.5), expected, signal.SIGKILL)
        with _server(tmp_path, settings) as server:
            _check(server, histories, expected, f"round {number}, seed {seed}")
            assert server.stop() == 0
    _check_files(tmp_path / "data")


@pytest.mark.timeout(120)
def test_a_server_told_to_stop_under_load_exits_with_0_and_loses_nothing(tmp_path: Path):
    settings, expected = tmp_path / "settings.toml", Expected()
    settings.write_text(SETTINGS)
    with _server(tmp_path, settings) as server:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kv (id BIGINT PRIMARY KEY, v BIGINT, note VARCHAR)")
            cursor.execute("CREATE TABLE events (number BIGINT, row BIGINT)")
        histories = _load(server, tmp_path, 7, 2.0, expected, signal.SIGTERM)
        assert server.process.returncode == 0
    with _server(tmp_path, settings) as server:
        _check(server, histories, expected, "after SIGTERM")


def _server(folder: Path, settings: Path) -> ServerProcess:
    return ServerProcess(folder / "data", "--config", str(settings))


def _load(
    server: ServerProcess, folder: Path, seed: int, seconds: float, expected: Expected, ending: signal.Signals
) -> list[Path]:
    """Let clients work for some time, then end the server under them. Returns their histories."""
    histories = [folder / f"history-{seed}-{client}" for client in range(CLIENTS)]
    clients = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.crash_client", server.uri, ROOT_PASSWORD),
                *(str(seed * CLIENTS + client), str(client), str(history), _present(expected, client)),
            ],
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for client, history in enumerate(histories)
    ]
    _wait_for_work(histories)
    time.sleep(seconds)
    server.signal(ending)
    server.wait()
    for process in clients:
        process.wait(30)
    return histories


def _present(expected: Expected, client: int) -> str:
    return json.dumps({key: value for key, value in expected.keys.items() if key // 1000 == client})


def _wait_for_work(histories: list[Path]) -> None:
    for _ in range(600):
        if all(history.exists() and '"ok"' in history.read_text() for history in histories):
            return
        time.sleep(0.05)
    raise AssertionError("the clients did not start to work")


def _check(server: ServerProcess, histories: list[Path], expected: Expected, where: str) -> None:
    """Compare with the histories; `expected` becomes what is there, pending changes decided."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, v, note FROM kv")
        found = cursor.fetchall()
        cursor.execute("SELECT number, count(*), count(DISTINCT row) FROM events GROUP BY number")
        events = {number: (rows, different) for number, rows, different in cursor.fetchall()}
    doubled = [key for key, times in Counter(row[0] for row in found).items() if times > 1]
    assert not doubled, f"{where}: keys twice {doubled}"
    keys = {row[0]: row[1] for row in found}
    for history in histories:
        for change, is_acknowledged in _changes(history):
            if "keys" in change:
                after = {int(key): value for key, value in change["keys"].items()}
                _apply_keys(expected, after, keys, is_acknowledged)
            else:
                rows = events.get(change["number"], (0, 0))[0]
                if is_acknowledged or rows:
                    expected.events[change["number"]] = change["events"]
    assert keys == expected.keys, f"{where}: {_differences(keys, expected.keys)}"
    assert events == {number: (rows, rows) for number, rows in expected.events.items()}, where


def _changes(history: Path) -> list[tuple[dict[str, Any], bool]]:
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    acknowledged = {line["number"] for line in lines if line["kind"] == "ok"}
    return [
        ({**line["change"], "number": line["number"]}, line["number"] in acknowledged)
        for line in lines
        if line["kind"] == "try"
    ]


def _apply_keys(expected: Expected, after: dict[int, int | None], found: dict[int, int], is_acknowledged: bool) -> None:
    """A pending change is the client's last: it happened if any of its keys shows it, and then all must."""
    happened = is_acknowledged or any(found.get(key) == value != expected.keys.get(key) for key, value in after.items())
    for key, value in after.items() if happened else ():
        if value is None:
            expected.keys.pop(key, None)
        else:
            expected.keys[key] = value


def _differences(found: dict[int, int], expected: dict[int, int]) -> dict[int, tuple[int | None, int | None]]:
    return {
        key: (found.get(key), expected.get(key))
        for key in sorted({*found, *expected})
        if found.get(key) != expected.get(key)
    }


def _check_files(data: Path) -> None:
    """Every live cold file is what was written, and after a sweep there is no other file."""
    engine = Engine.open(data, StorageSettings(), SystemClock())
    try:
        live = engine.verify_cold_files()
        engine.sweep_now()
        assert sum(1 for _ in engine.files.listed()) == live
    finally:
        engine.close()
