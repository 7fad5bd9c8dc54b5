"""A wall clock that jumps: an hour back, ten years ahead, over a change of summer time, in steps as NTP makes them.

Sequences order commits and clocks only describe them: `_seq` rises whatever the clock says, no acknowledged row goes,
nothing storms or spins, and tokens neither last for ever nor let a stranger in. A leap second and a change of summer
time are nothing to a clock that counts UTC; the jumps that a wrong setting of either would make are among the steps.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from flight_server.access.login.tokens import Tokens
from flight_server.access.principal import Principal
from jobs.planning.schedule import plan_flushes
from storage.catalog.schema import SEQ
from storage.catalog.table_options import FlushPolicy
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Unauthenticated
from tests.faults.long.conftest import Shift
from tests.faults.tools import needed
from tests.support.server_process import REPOSITORY, ServerProcess
from tests.support.storage_builders import delete, flush, insert, make_table, opened, read

HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS
JUMPS_MS = {
    "an hour back": -HOUR_MS,
    "an hour ahead": HOUR_MS,
    "ten years ahead": 10 * YEAR_MS,
    "ten years back": -10 * YEAR_MS,
    "a step of NTP ahead": 128,
    "a step of NTP back": -128,
    "a leap second": -1000,
    "to 1970": -1_700_000_000_000 + 1,
}
DAY_SECONDS = 86_400.0

pytestmark = pytest.mark.long


class JumpingClock(ManualClock):
    """A manual clock whose wall time can be moved by an amount."""

    def jump(self, milliseconds: int) -> None:
        self.set_wall_ms(max(1, self.wall_ms() + milliseconds))


@pytest.mark.parametrize("jump", JUMPS_MS)
def test_sequences_rise_and_rows_stay_whatever_the_clock_does(tmp_path: Path, jump: str):
    clock = JumpingClock()
    with opened(tmp_path / "data", clock) as engine:
        table = make_table(engine, key=("k",))
        insert(engine, table, (1, "before"))
        clock.jump(JUMPS_MS[jump])
        insert(engine, table, (2, "after"))
        flush(engine, table)
        insert(engine, table, (3, "hot"))
        assert delete(engine, table, "k", 1) == 1
        clock.jump(-JUMPS_MS[jump])
        insert(engine, table, (4, "back again"))
        flush(engine, table)
        check_order(engine, [2, 3, 4])
    with opened(tmp_path / "data", clock) as engine:  # a restart under the corrected clock
        (table,) = engine.state.catalog.tables.values()
        insert(engine, table, (5, "restarted"))
        check_order(engine, [2, 3, 4, 5])


def test_sequences_rise_under_any_course_of_jumps(tmp_path: Path, shift: Shift):
    random, clock, keys = shift.random, JumpingClock(), 0
    for round_ in shift.rounds(5):
        with opened(tmp_path / "data", clock) as engine:
            tables = list(engine.state.catalog.tables.values())
            table = tables[0] if tables else make_table(engine, key=("k",))
            for _ in range(20):
                clock.jump(random.choice(list(JUMPS_MS.values())) * random.choice([1, -1]))
                clock.set_wall_ms(min(clock.wall_ms(), 1_700_000_000_000 + 30 * YEAR_MS))
                insert(engine, table, (keys, "x"))
                keys += 1
                if random.random() < 0.2:
                    flush(engine, table)
            check_order(engine, list(range(keys)))
        assert round_ >= 0


def check_order(engine: Engine, keys: list[int]) -> None:
    """The keys are those, and were given rising sequences in that order."""
    (table,) = engine.state.catalog.tables.values()
    rows = read(engine, table)
    assert [row["k"] for row in rows] == keys
    assert (np.diff([row[SEQ] for row in rows]) > 0).all()


def test_a_jump_ahead_asks_for_one_flush_and_no_storm(tmp_path: Path):
    clock = JumpingClock()
    with opened(tmp_path / "data", clock) as engine:
        table = make_table(engine, flush_policy=FlushPolicy(rows=1000, interval_seconds=60))
        insert(engine, table, (1, "x"))
        assert wishes(engine) == 0
        clock.jump(10 * YEAR_MS)
        assert wishes(engine) == 1
        flush(engine, table)
        assert wishes(engine) == 0
        insert(engine, table, (2, "x"))  # dated ten years ahead
        clock.jump(-10 * YEAR_MS)
        assert wishes(engine) == 0
        insert(engine, table, *[(k, "x") for k in range(3, 1003)])  # its count still asks for one
        assert wishes(engine) == 1


def wishes(engine: Engine) -> int:
    return len(list(plan_flushes(engine.state, engine.clock.wall_ms(), engine.settings.hot_bytes_max)))


def test_tokens_are_judged_sanely_after_a_jump():
    clock = JumpingClock()
    tokens = Tokens(b"k" * 32, clock, DAY_SECONDS)
    root = Principal("root", "admin")
    token = tokens.issue(root)
    for small in (-30_000, 60_000, -128):  # what NTP does locks nobody out
        clock.jump(small)
        assert tokens.check(token).principal == root
    clock.jump(10 * YEAR_MS)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.check(token)
    ahead = tokens.issue(root)
    clock.jump(-10 * YEAR_MS)  # one from the future is not good for ten years
    with pytest.raises(Unauthenticated, match="not valid"):
        tokens.check(ahead)
    assert tokens.check(tokens.issue(root)).principal == root


@pytest.fixture
def faketime() -> dict[str, str]:
    """What the environment of a process must hold so that its wall clock is taken from a file."""
    needed("faketime")
    found = [path for folder in ("/usr/lib", "/usr/local/lib") for path in Path(folder).rglob("libfaketimeMT.so.1")]
    if not found:
        pytest.skip("libfaketimeMT.so.1 is not installed")
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # as with a real clock: only wall time jumps
    }


def test_a_real_server_lives_through_jumps_of_its_clock(tmp_path: Path, faketime: dict[str, str], shift: Shift):
    now = tmp_path / "now"
    now.write_text("+0")
    environment = {**faketime, "FAKETIME_TIMESTAMP_FILE": str(now)}
    random, keys = shift.random, 0
    for _ in shift.rounds(1):
        with ServerProcess(tmp_path / "data", environment=environment) as server:
            if not keys:
                execute(server, "CREATE TABLE t (k BIGINT PRIMARY KEY) WITH (flush_policy = 'rows:20,interval:1s')")
            said = []
            for offset in ("-1h", "+0", "+3650d", "+1h", *random.sample(["-2s", "+2s", "-1d", "+1d", "+0"], 5)):
                now.write_text(offset)
                used = cpu_seconds(server)
                execute(server, f"INSERT INTO t VALUES ({keys}), ({keys + 1})")
                keys += 2
                said += [when.timestamp() - time.time() for (when,) in execute(server, "SELECT now()")]
                time.sleep(0.5)
                assert cpu_seconds(server) - used < 4, f"the server spins after {offset}"
            assert execute(server, "SELECT count(*), max(k) FROM t") == [(keys, keys - 1)]
            ((newest,),) = execute(server, "SELECT max(_updated) FROM t")
            assert max(said) > 9 * 365 * DAY_SECONDS, "the clock was not moved at all"
            assert newest.timestamp() < time.time() + 2 * DAY_SECONDS, "a clock that was wrong for a second dated rows"
            jobs = execute(server, "SELECT count(*) FROM system.jobs WHERE job_type = 'flush'")
            assert jobs[0][0] < 60, "a storm of flushes"
            assert server.stop() == 0
        now.write_text("+0")
        with ServerProcess(tmp_path / "data") as server:  # and without any of it
            assert execute(server, "SELECT count(*) FROM t") == [(keys,)]
            server.kill()


def execute(server: ServerProcess, sql: str) -> list[tuple]:
    """On a connection of its own: a client logs in anew when its token is no longer good."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if sql.startswith("SELECT") else []


def cpu_seconds(server: ServerProcess) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
def test_the_machines_time_zone_changes_nothing(tmp_path: Path, zone: str):
    """Summer time begins and ends in the middle of it: the clock counts UTC, the names of files too."""
    told = {}
    for name in ("UTC", zone):
        directory = tmp_path / name.replace("/", "-")
        command = [sys.executable, "-c", AROUND_SUMMER_TIME, str(directory)]
        done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, "TZ": name}, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        told[name] = re.sub(r"\s+", " ", done.stdout.decode())
        shutil.rmtree(directory)
    assert told[zone] == told["UTC"]


AROUND_SUMMER_TIME = """
import sys
from pathlib import Path
from storage.clock import ManualClock
from tests.support.storage_builders import files_on_disk, flush, insert, make_table, opened, read
clock = ManualClock(1_711_846_800_000 - 1000)  # 2024-03-31T01:00 UTC, when Europe's clocks went ahead
with opened(Path(sys.argv[1]), clock) as engine:
    table = make_table(engine)
    for hop in (0, 2, 3600, 18_403_200):  # and to 2024-10-27T01:00 UTC and after, when they went back
        clock.advance(hop)
        insert(engine, table, (hop, "x"))
        flush(engine, table)
    print(read(engine, table), sorted(files_on_disk(engine)))
"""
