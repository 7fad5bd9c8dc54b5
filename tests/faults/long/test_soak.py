"""Lives of many bursts of work: nothing that the server holds may grow from burst to burst.

A life is one server process. Its bursts are the mixed load of the crash test (changes, flushes, compactions), with
readers beside it that aggregate, join, give up half way and are refused. After each burst, when all clients have gone,
threads and handles must be back at what they were after the first, memory and files in sight of it. A life ends with
SIGKILL or SIGTERM; the next one must find what was acknowledged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from tests.faults.crash_checks import check_files, check_nothing_failed_alive, create_tables
from tests.faults.long.conftest import Shift
from tests.faults.long.figures import Figures, back_at, eventually, figures_of
from tests.faults.long.kill_loop import a_server, check_answers
from tests.faults.mixed_load import CONFIG, Load, gone_quietly, rows_of
from tests.support.server_process import ServerProcess

WORKERS = 3
READERS = 2
LIVES_MIN = 2
BURSTS_MIN = 4
BURST_SECONDS = 3.0
RSS_GROWTH_MIB_MAX = 500  # from after the first burst: caches fill up, and allocators keep what they once had
PENDING_SECONDS = 2  # a result that its reader never fetched holds old files for so long
SETTINGS = f"{CONFIG}\n[wire]\npending_seconds_max = {PENDING_SECONDS}\n"
FILES_MAX = 100  # in the folder of cold files: compaction and sweep keep it small

READS = (
    "SELECT count(*), sum(v), max(k) FROM kv",
    "SELECT v % 10, count(*) FROM log GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM kv JOIN log ON kv.k % 1000 = log.k % 1000",
    "SELECT k, v, row_number() OVER (ORDER BY v DESC) FROM log ORDER BY k LIMIT 100",
    "SELECT * FROM generate_series(1, 3000000)",  # the reader goes away early
    "SELECT * FROM system.jobs",
    "SELECT no_such_column FROM kv",
    "SELECT 1 +",
)

pytestmark = pytest.mark.long(weight=3)


def test_a_server_that_works_for_long_holds_no_more_than_at_the_beginning(tmp_path: Path, shift: Shift):
    random, load = shift.random, Load(WORKERS, shift.seed)
    create_tables(tmp_path)
    for _ in shift.rounds(LIVES_MIN):
        with a_server(tmp_path, {}, SETTINGS) as server:
            load.settle(rows_of(server))
            live(server, load, random, shift.seconds / LIVES_MIN)
            end(server, load, random)
        check_files(tmp_path / "data")
        check_answers(load, tmp_path)
    with a_server(tmp_path, {}) as server:
        load.settle(rows_of(server))


def live(server: ServerProcess, load: Load, random: Random, seconds: float) -> None:
    """Bursts for so long, and a look at the server after each."""
    base: Figures | None = None
    seen: list[Figures] = []
    end_seconds = time.monotonic() + seconds
    while len(seen) < BURSTS_MIN or time.monotonic() < end_seconds:
        with load.running(server), reading(server, random.randrange(10**9)):
            time.sleep(BURST_SECONDS)
            check_nothing_failed_alive(load)
        load.settle(rows_of(server))
        if base is None:
            base = rested(server)
        back_at(base, server.process.pid)
        seen.append(figures_of(server.process.pid))
        eventually(lambda: files_of(server) <= FILES_MAX, f"at most {FILES_MAX} files")
    print("after each burst:", *seen[:: max(1, len(seen) // 10)], sep="\n  ")
    assert base is not None
    assert max(figures.rss_mib for figures in seen) <= base.rss_mib + RSS_GROWTH_MIB_MAX


def files_of(server: ServerProcess) -> int:
    return sum(1 for path in (server.data / "cold").rglob("*") if path.is_file())


def rested(server: ServerProcess) -> Figures:
    """Figures once they no longer fall: gRPC ends its threads some time after their calls."""
    least = figures_of(server.process.pid)
    for _ in range(10):
        time.sleep(0.3)
        now = figures_of(server.process.pid)
        if (now.threads, now.handles) == (least.threads, least.handles):
            break
        least = now
    return now


def end(server: ServerProcess, load: Load, random: Random) -> None:
    """In the middle of work, by SIGKILL or SIGTERM."""
    with load.running(server):
        time.sleep(random.uniform(0.2, 1))
        check_nothing_failed_alive(load)
        if random.random() < 0.5:
            server.kill()
        else:
            assert server.stop() == 0


@contextmanager
def reading(server: ServerProcess, seed: int) -> Iterator[None]:
    """Clients that read while the block runs, each in its own way."""
    stop = threading.Event()
    threads = [threading.Thread(target=_read, args=(server, Random(seed + n), stop)) for n in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not [thread for thread in threads if thread.is_alive()]


def _read(server: ServerProcess, random: Random, stop: threading.Event) -> None:
    while not stop.is_set():
        with gone_quietly(server.connect()) as connection:
            for _ in range(random.randint(1, 20)):
                if stop.is_set():
                    break
                with suppress(Exception), gone_quietly(connection.cursor()) as cursor:
                    cursor.execute(random.choice(READS))
                    if random.random() < 0.7:
                        cursor.fetchall() if random.random() < 0.9 else cursor.fetchone()
