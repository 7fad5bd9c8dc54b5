"""Plans that look up many files wait for each other, so that the engine needs few threads for it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from random import Random

from flight_server.query.file_lookups import FileLookups
from tests.support.server_process import REPOSITORY

FILES_MAX = 10

MANY_PLANS = """
FILES = 100
import sys, threading
from pathlib import Path
import pyarrow as pa
from flight_server.query import QueryEngine, QuerySettings
from storage.cold.file_store import only_local
from storage.cold.local_store import LocalStore
from tests.support.query_database import Database, column, seq_at

folder = Path(sys.argv[1])
(folder / "cold").mkdir()
engine = QueryEngine(QuerySettings(worker_threads=2), folder / "spill", only_local(LocalStore(folder / "cold")))
db = Database(engine, folder / "cold")
table = db.table("t", column("id", pa.int64()))
for n in range(FILES):
    db.file(table, range(seq_at(n + 1), seq_at(n + 1, 1000)), id=list(range(1000)))

def threads():
    return int(Path("/proc/self/status").read_text().split("Threads:")[1].split()[0])

def ask():
    for _ in range(3):
        assert db.rows("EXPLAIN SELECT count(DISTINCT id) FROM t WHERE id >= 0")  # planned and not read

asking = [threading.Thread(target=ask) for _ in range(20)]
for thread in asking: thread.start()
for thread in asking: thread.join()
print(threads())
engine.close()
"""


def test_nobody_waits_long_for_a_storage_that_does_not_answer():
    room = FileLookups(FILES_MAX, stalled_seconds=0.05)
    with room.of(FILES_MAX), room.of(1):  # this would wait for ever
        assert repr(room) == f"<FileLookups [{FILES_MAX + 1} of {FILES_MAX} files, 0 waiting]>"
    assert repr(room) == f"<FileLookups [0 of {FILES_MAX} files, 0 waiting]>"


def test_no_more_files_than_there_is_room_for_are_looked_up_at_once():
    room, lock, random = FileLookups(FILES_MAX), threading.Lock(), Random(1)
    now, most = 0, 0
    wanted = [[random.choice([0, 1, 3, 7, FILES_MAX, 50]) for _ in range(40)] for _ in range(20)]

    def plan(all_files: list[int]) -> None:
        nonlocal now, most
        for files in all_files:
            with room.of(files):
                with lock:
                    now += min(files, FILES_MAX)
                    most = max(most, now)
                with lock:
                    now -= min(files, FILES_MAX)

    threads = [threading.Thread(target=plan, args=(files,)) for files in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert 0 < most <= FILES_MAX
    assert repr(room) == "<FileLookups [0 of 10 files, 0 waiting]>"


def test_a_plan_without_files_never_waits_and_one_that_breaks_gives_its_room_back():
    room = FileLookups(FILES_MAX)
    with room.of(FILES_MAX), room.of(0):
        assert repr(room) == "<FileLookups [10 of 10 files, 0 waiting]>"
    try:
        with room.of(3):
            raise ZeroDivisionError
    except ZeroDivisionError:
        assert repr(room) == "<FileLookups [0 of 10 files, 0 waiting]>"


def test_many_plans_over_many_files_need_few_threads(tmp_path: Path):
    command = [sys.executable, "-c", MANY_PLANS, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=120)
    assert int(done.stdout) < 300  # a hundred for one plan, and some besides; without the room 361 to 535
