"""A server that is killed over and over: at random times, at random fail points, and while it is still starting.

Clients change two tables meanwhile, and know what must be there (see `mixed_load`). After each kill: what was
acknowledged is there once, what was pending is there whole or not at all, every live file is what was written and the
sweep leaves no other. What clients saw tells no path and no traceback.

Two hundred kills take about ten minutes: `make test-faults MINUTES=10 ARGS='-k kill'`.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from random import Random
from signal import SIGKILL
from subprocess import TimeoutExpired

import pytest

from storage.failpoints import POINTS, VARIABLE
from tests.faults.crash_checks import check_files, check_nothing_failed_alive, create_tables
from tests.faults.long.conftest import Shift, record
from tests.faults.long.kill_loop import a_server, check_answers
from tests.faults.mixed_load import Load, rows_of
from tests.support.server_process import ServerProcess

WORKERS = 3
KILLS_MIN = 12
LIFE_SECONDS = (0.05, 1.5)
NTH_MAX = 30  # of the times that a fail point is passed before it kills

pytestmark = pytest.mark.long(weight=3)


def test_a_server_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path, shift: Shift):
    random, load, deaths = shift.random, Load(WORKERS, shift.seed), {"time": 0, "point": 0, "start": 0}
    create_tables(tmp_path)
    for _ in shift.rounds(KILLS_MIN):
        deaths[die(tmp_path, random, load)] += 1
        check_files(tmp_path / "data")
        check_answers(load, tmp_path)
    with a_server(tmp_path, {}) as server:
        load.settle(rows_of(server))
    done = sum(worker.done for worker in load.workers)
    print(f"killed: {deaths}; statements done: {done}")
    assert all(worker.done > 0 for worker in load.workers)
    record("kills", {"seed": shift.seed, "deaths": deaths, "statements": done})


def die(directory: Path, random: Random, load: Load) -> str:
    """One life under load, and how it ended."""
    kind = random.choices(["time", "point", "start"], weights=[4, 5, 1])[0]
    armed = {VARIABLE: f"{random.choice(sorted(POINTS))}:kill:{random.randint(1, NTH_MAX)}"} if kind == "point" else {}
    server = a_server(directory, armed)
    server.start()
    try:
        if kind == "start":
            time.sleep(random.uniform(0, 1))
        else:
            live(server, random, load, kind)
    except BaseException:
        print(armed, *server.stderr[-20:], sep="\n")
        raise
    finally:
        server.end()
    assert not [line for line in server.stderr if "Traceback" in line]
    return kind


def live(server: ServerProcess, random: Random, load: Load, kind: str) -> None:
    """Every life begins with the check of what the one before has left."""
    try:
        server.wait_ready()
        rows = rows_of(server)
    except Exception:
        if kind == "point" and was_killed(server):
            return  # the point lies on the way to the start, or in reading
        raise
    load.settle(rows)
    with load.running(server):
        end = time.monotonic() + random.uniform(*LIFE_SECONDS)
        while time.monotonic() < end and server.process.poll() is None:
            time.sleep(0.01)
        if kind == "time":
            check_nothing_failed_alive(load)
        server.kill()


def was_killed(server: ServerProcess) -> bool:
    with suppress(TimeoutExpired):
        return server.wait(5) == -SIGKILL
    return False
