"""A real server under mixed load, killed at random moments: what was acknowledged is there, once, and nothing else.

The seed is printed; FROSTLINE_CRASH_SEED runs it again, FROSTLINE_CRASH_ROUNDS sets how often the server is killed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from storage.clock import SystemClock
from storage.engine import Engine
from storage.maintenance.sweep import sweep
from storage.settings import StorageSettings
from storage.state.state import live_files
from tests.conftest import FIXED_SEED
from tests.faults.mixed_load import CONFIG, DEFINITIONS, Load, rows_of
from tests.server_process import ServerProcess
from tests.storage.furniture import verify_cold_files

WORKERS = 3
SEED = int(os.environ.get("FROSTLINE_CRASH_SEED") or FIXED_SEED or Random().randrange(10**9))
ROUNDS = int(os.environ.get("FROSTLINE_CRASH_ROUNDS") or 5)  # twelve and more: long/test_kill_loop


@contextmanager
def new_server(directory: Path, is_forked: bool = True) -> Iterator[ServerProcess]:
    """A server on the directory; when a check fails, what it logged is shown."""
    config = directory / "frostline.toml"
    config.write_text(CONFIG)
    with ServerProcess(directory / "data", "--config", str(config), is_forked=is_forked) as server:
        try:
            yield server
        except BaseException:
            print("\n".join(server.stderr[-20:]))
            raise


def create_tables(directory: Path) -> None:
    with new_server(directory) as server:
        with server.connect() as connection, connection.cursor() as cursor:
            for definition in DEFINITIONS:
                cursor.execute(definition)
        server.kill()


def check_files(data: Path) -> None:
    """On a copy: every live file matches its checksum, and the sweep leaves no other."""
    copy = data.with_name("copy")
    shutil.copytree(data, copy)
    engine = Engine.open(copy, StorageSettings(), SystemClock())
    try:
        verify_cold_files(engine)
        sweep(engine)
        assert {path for path, _ in engine.files.listed()} == set(live_files(engine.state))
    finally:
        engine.close()
        shutil.rmtree(copy)


def check_nothing_failed_alive(load: Load) -> None:
    """While the server lives no statement may fail: no worker touches another's rows."""
    for worker in load.workers:
        if worker.failed is not None:
            raise AssertionError(f"worker {worker.number} was refused") from worker.failed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_killed_under_load_loses_and_doubles_nothing(tmp_path: Path):
    print(f"FROSTLINE_CRASH_SEED={SEED}")
    random, load = Random(SEED), Load(WORKERS, SEED)
    create_tables(tmp_path)
    for _ in range(ROUNDS):
        with new_server(tmp_path) as server:
            load.settle(rows_of(server))
            with load.running(server):
                time.sleep(random.uniform(0.3, 3))
                check_nothing_failed_alive(load)
                server.kill()
        check_files(tmp_path / "data")
    with new_server(tmp_path) as server:
        load.settle(rows_of(server))
    assert all(worker.done > ROUNDS for worker in load.workers)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_server_told_to_stop_under_load_ends_in_order_and_loses_nothing(tmp_path: Path):
    print(f"FROSTLINE_CRASH_SEED={SEED}")
    load = Load(WORKERS, SEED)
    create_tables(tmp_path)
    for _ in range(2):
        with new_server(tmp_path, is_forked=False) as server:  # how Python ends is part of it
            load.settle(rows_of(server))
            with load.running(server):
                time.sleep(1.5)
                check_nothing_failed_alive(load)
                assert server.stop() == 0
        check_files(tmp_path / "data")
    with new_server(tmp_path) as server:
        load.settle(rows_of(server))
