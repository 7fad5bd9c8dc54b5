"""A real server under mixed load, killed at random moments: what was acknowledged is there, once, and nothing else.

The seed is printed; FROSTLINE_CRASH_SEED runs it again, FROSTLINE_CRASH_ROUNDS sets how often the server is killed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest

from tests.conftest import FIXED_SEED
from tests.faults.crash_checks import check_files, check_nothing_failed_alive, create_tables, new_server
from tests.faults.mixed_load import Load, rows_of

WORKERS = 3
SEED = int(os.environ.get("FROSTLINE_CRASH_SEED") or FIXED_SEED or Random().randrange(10**9))
ROUNDS = int(os.environ.get("FROSTLINE_CRASH_ROUNDS") or 5)  # twelve and more: long/test_kill_loop


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
