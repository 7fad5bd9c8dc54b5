"""What is done on a small disk that fills up. Run as a process of its own, in a mount namespace of its own:

    python -m tests.faults.disk_full_scenes SCENE DIRECTORY

mounts a tmpfs of a few MB on DIRECTORY, plays one scene and ends with 0 if all held. Only the namespace sees the mount.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import IO, Any

import pyarrow as pa
import pytest

from storage.catalog.schema import TableDef
from storage.clock import SystemClock
from storage.engine import Engine
from storage.errors import DISK_FULL, ConstraintViolated, StorageUnavailable
from storage.maintenance.sweep import sweep
from storage.settings import StorageSettings
from storage.state.state import live_files
from tests.support.server_process import ServerProcess
from tests.support.storage_builders import compact, flush, insert, make_table, opened, values, verify_cold_files

DISK_BYTES = 16 << 20
TEXT_BYTES = 2000
HEALED_SECONDS_MAX = 30.0
SETTINGS = StorageSettings(row_group_rows=1024)
SPILLING = StorageSettings(row_group_rows=1024, hot_statement_bytes_max=1)


class Ballast:
    """A file that takes the room away and gives it back."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "ballast"

    def leave(self, free_bytes: int) -> None:
        """Fill the disk but for so much."""
        with self._path.open("ab", buffering=0) as file:
            while True:
                too_much = free_bytes_of(self._path) - free_bytes
                if too_much <= 0:
                    return
                file.write(bytes(min(too_much, 1 << 20)))

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)


def free_bytes_of(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def text(random: Random) -> str:
    """What does not compress."""
    return random.randbytes(TEXT_BYTES // 2).hex()


def refused(act: Callable[[], object]) -> None:
    """`act` must fail because the disk is full, and say so."""
    with pytest.raises(StorageUnavailable, match="the disk is full") as found:
        act()
    assert found.value.sqlstate == DISK_FULL


def stored_until_full(first_key: int, store: Callable[[int], object]) -> int:
    """Store one key after the other until one fails; that one may be there or not. Returns how many did not."""
    for key in count(first_key):
        try:
            store(key)
        except Exception as error:
            if "the disk is full" not in str(error):
                raise
            return key - first_key
    raise AssertionError


def until(holds: Callable[[], bool]) -> None:
    """Wait until the engine has come back by itself."""
    end = time.monotonic() + HEALED_SECONDS_MAX
    while not holds():
        assert time.monotonic() < end, "it did not come back though there is room"
        time.sleep(0.02)


def check_files(engine: Engine) -> None:
    """Every live file is what was written; after a sweep there is no other."""
    verify_cold_files(engine)
    sweep(engine)
    assert {path for path, _ in engine.files.listed()} == set(live_files(engine.state))


def check_and_reopen(disk: Path, table: TableDef, expected: list[Any]) -> None:
    """A restart finds the same, twice."""
    for _ in range(2):
        with opened(disk / "data", SystemClock(), SETTINGS) as engine:
            assert values(engine, table) == expected
            check_files(engine)


def write(disk: Path) -> None:
    """One-row commits until the log has no room; then room, again and again, without a restart."""
    random, ballast = Random(1), Ballast(disk)
    with opened(disk / "data", SystemClock(), SETTINGS) as engine:
        table = make_table(engine, key=("k",))
        acknowledged: list[int] = []
        pending: set[int] = set()
        next_key = 0
        for _ in range(2):
            ballast.leave(200_000)
            next_key += 1
            stored = stored_until_full(next_key, lambda key: insert(engine, table, (key, text(random))))
            next_key += stored
            acknowledged += range(next_key - stored, next_key)
            pending.add(next_key)
            assert engine.health != "ok"
            assert engine.row_store.is_full
            next_key += 1
            refused(partial(insert, engine, table, (next_key, "refused")))
            refused(lambda: engine.job_records.put_job("SW-1", b"{}"))
            refused(engine.new_id)
            assert values(engine, table) == acknowledged  # queries go on
            ballast.drop()
            until(lambda: engine.health == "ok")
            found = set(values(engine, table))
            assert found - pending == set(acknowledged)
            acknowledged = sorted(found)
            refuse_double(engine, table, acknowledged[-1])
            flush(engine, table)
        assert values(engine, table) == acknowledged
        check_files(engine)
    check_and_reopen(disk, table, acknowledged)


def refuse_double(engine: Engine, table: TableDef, key: int) -> None:
    """The primary keys are as they were, too."""
    with pytest.raises(ConstraintViolated):
        insert(engine, table, (key, "double"))


def move(disk: Path) -> None:
    """A flush, then a compaction, for which there is no room: nothing is left of them, and later they work."""
    random, ballast = Random(2), Ballast(disk)
    with opened(disk / "data", SystemClock(), SETTINGS) as engine:
        table = make_table(engine)
        for part in range(2):
            insert(engine, table, *((part * 1000 + k, text(random)) for k in range(700)))
            ballast.leave(600_000)
            refused(lambda: flush(engine, table))
            assert not [path for path, _ in engine.files.listed() if path.endswith(".part")]
            assert engine.health == "ok", engine.health  # only the file found no room: rows do
            insert(engine, table, (part * 1000 + 900, "small"))
            ballast.drop()
            flush(engine, table)
        ballast.leave(600_000)
        refused(lambda: compact(engine, table))
        assert len(live_files(engine.state)) == 2
        check_files(engine)
        ballast.drop()
        compact(engine, table)
        expected = values(engine, table)
        assert len(expected) == 1402
        check_files(engine)
    check_and_reopen(disk, table, expected)


def serve(disk: Path) -> None:
    ballast, log = Ballast(disk), (disk / "server.log").open("a")
    config = disk / "frostline.toml"
    config.write_text("[storage]\nhot_statement_bytes_max = 100000\nrow_group_rows = 1024\n")
    random, acknowledged, pending = Random(3), set[int](), set[int]()
    with Logging(disk / "data", config, log) as server, server.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t (k BIGINT PRIMARY KEY, v VARCHAR)")
        key = 1
        for _ in range(2):
            ballast.leave(700_000)
            big = pa.table({"k": range(10_000_000, 10_001_000), "v": [text(random) for _ in range(1000)]})
            failing(partial(cursor.adbc_ingest, "t", big, mode="append"))
            ballast.leave(300_000)
            stored = stored_until_full(key, lambda k: cursor.execute(f"INSERT INTO t VALUES ({k}, '{text(random)}')"))
            acknowledged |= set(range(key, key + stored))
            pending.add(key + stored)
            key += stored + 1
            ballast.leave(0)
            failing(lambda: cursor.execute("INSERT INTO t VALUES (-1, 'refused')"))
            failing(lambda: cursor.execute("CREATE TABLE u (a BIGINT)"))
            assert keys_of(cursor) == acknowledged
            assert server.page("/healthz")[0] == 200
            assert "full" in server.page("/healthz")[1]
            assert server.page("/readyz")[0] == 503
            ballast.drop()
            until(lambda: server.page("/readyz")[0] == 200)
            assert keys_of(cursor) - pending == acknowledged
            acknowledged = keys_of(cursor)
            cursor.adbc_ingest("t", big, mode="append")
            cursor.execute("DELETE FROM t WHERE k >= 10000000")
            cursor.execute("FLUSH TABLE t")
            cursor.execute(f"WAIT FOR JOB '{cursor.fetchone()[0]}'")
        cursor.close()
        assert not list((disk / "data" / "cold").rglob("*.parquet.part"))
        assert server.stop() == 0
    with opened(disk / "data", SystemClock(), SETTINGS) as engine:
        (table,) = engine.state.catalog.tables.values()
        assert set(values(engine, table)) == acknowledged
        check_files(engine)


def failing(act: Callable[[], object]) -> None:
    """As `refused`, for what a client sees."""
    with pytest.raises(Exception, match="the disk is full"):
        act()


def keys_of(cursor: Any) -> set[int]:
    cursor.execute("SELECT k FROM t")
    found = [k for (k,) in cursor.fetchall()]
    assert len(found) == len(set(found))
    return set(found)


class Logging(ServerProcess):
    """A server whose log is a file on the same disk."""

    def __init__(self, data: Path, config: Path, log: IO[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._http_port = free.getsockname()[1]  # the log, which would tell it, may lose lines
        super().__init__(data, "--config", str(config), "--http-port", str(self._http_port), log=log)

    def page(self, path: str) -> tuple[int, str]:
        """Status and text of a health page."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._http_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


SCENES = {scene.__name__: scene for scene in (write, move, serve)}

if __name__ == "__main__":
    name, directory = sys.argv[1:]
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", directory], check=True)
    SCENES[name](Path(directory))
