"""Clients of a soak: their rows come and go, so that after some minutes the database no longer grows.

What is kept for ever would hide a leak behind honest growth: every table here has as many rows at the end as after
ten minutes. Texts differ from each other all the while, so that no cache of statements can hide one either. Every two
minutes all ask without a pause for a while, so that what a server holds for as many statements at once as there can be
is there within the first minutes.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Final

import pyarrow as pa

from tests.faults.mixed_load import gone_quietly
from tests.support.listener import listen
from tests.support.server_process import ServerProcess

WRITERS: Final = 3
READERS: Final = 2
OWNERS: Final = ("ann", "ben", "cem")
PASSWORD: Final = "a password for a soak"
KEYS: Final = 3000  # of one writer
LOG_ROWS: Final = 6000  # of one writer, kept
INGEST_ROWS: Final = 4000
PAUSE_SECONDS_MAX: Final = 0.06
BURST_EACH_SECONDS: Final = 120
BURST_SECONDS: Final = 15
STATEMENTS_A_CONNECTION: Final = 200
ERRORS_KEPT: Final = 20

DEFINITIONS: Final = (
    "CREATE TABLE small (id BIGINT PRIMARY KEY, writer INTEGER, v BIGINT, t VARCHAR) "
    "WITH (flush_policy = 'rows:1000,interval:5s', deleted_retention = '20s')",
    "CREATE TABLE log (writer INTEGER, n BIGINT, v DOUBLE) "
    "WITH (flush_policy = 'rows:5000,interval:10s', deleted_retention = '1m')",
    "CREATE USER TABLE notes (id BIGINT PRIMARY KEY, t VARCHAR) "
    "WITH (flush_policy = 'rows:100,interval:10s', deleted_retention = '20s')",
    "CREATE STREAM TABLE ticks (writer INTEGER, n BIGINT, v DOUBLE) WITH (retention = '30s', max_buffer = 20000)",
    *(f"CREATE USER '{name}' WITH PASSWORD '{PASSWORD}' ROLE user" for name in OWNERS),
)

# `{}` is a number that differs from one statement to the next.
READS: Final = (
    "SELECT count(*), sum(v), max(id) FROM small WHERE id <> {}",
    "SELECT id, v, t FROM small WHERE id = {}",
    "SELECT writer, count(*), avg(v) FROM log WHERE n > {} GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM small JOIN log ON small.id % 1000 = log.n AND log.v < {}",
    "SELECT id, row_number() OVER (PARTITION BY writer ORDER BY v DESC) FROM small WHERE v > {} LIMIT 100",
    "SELECT count(*) FROM small WHERE NOT EXISTS (SELECT 1 FROM log WHERE log.n = small.id AND log.v > {})",
    "SELECT max(_seq), count(*) FROM ticks WHERE n > {}",
    "SELECT * FROM generate_series(1, 2000000 + {})",  # the reader goes away early
    "SELECT job_type, status, count(*) FROM system.jobs WHERE rows <> {} GROUP BY 1, 2",
    "SELECT statistic, value FROM system.stats WHERE value <> {}",
    "SELECT count(*) FROM information_schema.columns WHERE ordinal_position <> {}",
    "EXPLAIN SELECT v FROM small WHERE v = {}",
    "SELECT no_such_column FROM small WHERE v = {}",
    "SELECT 1 + {} +",
)


class Load:
    """All clients. `done`: statements by kind of client; `errors`: what went wrong, the first of them."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        self.done: dict[str, int] = {}
        self.errors: list[str] = []
        self._server = server
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def create(self) -> None:
        with self._server.connect() as connection, connection.cursor() as cursor:
            for definition in DEFINITIONS:
                cursor.execute(definition)

    @contextmanager
    def running(self) -> Iterator[None]:
        clients: list[tuple[str, Callable[[Any, Random], None], dict[str, str]]] = [
            *((f"writer {n}", Writer(n).one, {}) for n in range(WRITERS)),
            *((f"reader {n}", read, {}) for n in range(READERS)),
            *((f"owner {name}", keep_notes, {"user": name, "password": PASSWORD}) for name in OWNERS),
            ("definer", define, {}),
        ]
        threads = [threading.Thread(target=self._run, args=client) for client in clients]
        threads.append(threading.Thread(target=self._listen))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)

    def _run(self, name: str, one: Callable[[Any, Random], None], login: dict[str, str]) -> None:
        random = Random(f"{self._seed}-{name}")
        while not self._stop.is_set():
            try:
                with gone_quietly(self._server.connect(**login)) as connection:
                    for _ in range(STATEMENTS_A_CONNECTION):
                        if self._stop.wait(0 if _is_burst() else random.uniform(0, PAUSE_SECONDS_MAX)):
                            return
                        one(connection, random)
                        self._count(name.split()[0])
            except Exception:
                self._note(f"{name}: {traceback.format_exc(limit=3)}")
                self._stop.wait(1)

    def _listen(self) -> None:
        random = Random(f"{self._seed}-listener")
        texts = ("SELECT id, v FROM small WHERE v > {}", "SELECT n, v FROM ticks WHERE n > {}")
        while not self._stop.is_set():
            try:
                text = random.choice(texts).format(random.randrange(1000))
                with listen(self._server, f"SUBSCRIBE TO {text} WITH (last_rows = 10)"):
                    self._stop.wait(random.uniform(1, 10))
                self._count("listener")
            except Exception:
                self._note(f"listener: {traceback.format_exc(limit=3)}")
                self._stop.wait(1)

    def _count(self, kind: str) -> None:
        with self._lock:
            self.done[kind] = self.done.get(kind, 0) + 1

    def _note(self, error: str) -> None:
        with self._lock:
            self.done["errors"] = self.done.get("errors", 0) + 1
            if len(self.errors) < ERRORS_KEPT:
                self.errors.append(error)


def _is_burst() -> bool:
    return time.monotonic() % BURST_EACH_SECONDS < BURST_SECONDS


class Writer:
    """Changes its own keys of `small`, and adds to `log` and `ticks` what it later takes away."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._first_key = number * KEYS
        self._logged = 0
        self._kept_from = 0
        self._ticks = 0

    def one(self, connection: Any, random: Random) -> None:
        act = random.choice(
            [self._upsert, self._upsert, self._update, self._delete, self._log, self._log, self._tick, self._tick]
            if random.random() < 0.9
            else [self._ingest, self._transaction, self._bound, self._temporary]
        )
        with gone_quietly(connection.cursor()) as cursor:
            act(cursor, random)

    def _keys(self, random: Random, count: int) -> list[int]:
        return random.sample(range(self._first_key, self._first_key + KEYS), random.randint(1, count))

    def _upsert(self, cursor: Any, random: Random) -> None:
        rows = ", ".join(
            f"({key}, {self.number}, {random.randrange(10**6)}, 'text {random.random()}')"
            for key in self._keys(random, 20)
        )
        cursor.execute(f"INSERT INTO small VALUES {rows} ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v, t = EXCLUDED.t")

    def _update(self, cursor: Any, random: Random) -> None:
        cursor.execute(
            f"UPDATE small SET v = v + {random.randrange(100)} WHERE id IN ({_listed(self._keys(random, 50))})"
        )

    def _delete(self, cursor: Any, random: Random) -> None:
        cursor.execute(f"DELETE FROM small WHERE id IN ({_listed(self._keys(random, 15))})")

    def _log(self, cursor: Any, random: Random) -> None:
        rows = range(self._logged, self._logged + random.randint(1, 100))
        self._logged = rows.stop
        values = ", ".join(f"({self.number}, {n}, {random.random()})" for n in rows)
        cursor.execute(f"INSERT INTO log VALUES {values}")
        if self._logged - self._kept_from > 2 * LOG_ROWS:
            self._kept_from = self._logged - LOG_ROWS
            cursor.execute(f"DELETE FROM log WHERE writer = {self.number} AND n < {self._kept_from}")

    def _tick(self, cursor: Any, random: Random) -> None:
        rows = range(self._ticks, self._ticks + random.randint(1, 30))
        self._ticks = rows.stop
        values = ", ".join(f"({self.number}, {n}, {random.random()})" for n in rows)
        cursor.execute(f"INSERT INTO ticks VALUES {values}")

    def _ingest(self, cursor: Any, random: Random) -> None:
        rows = range(self._logged, self._logged + random.randint(1, INGEST_ROWS))
        self._logged = rows.stop
        columns = [
            pa.array([self.number] * len(rows), pa.int32()),
            pa.array(rows, pa.int64()),
            pa.array([random.random() for _ in rows]),
        ]
        cursor.adbc_ingest("log", pa.table(columns, names=["writer", "n", "v"]), mode="append")

    def _transaction(self, cursor: Any, random: Random) -> None:
        cursor.execute("BEGIN")
        self._upsert(cursor, random)
        self._update(cursor, random)
        cursor.execute(f"SELECT count(*) FROM small WHERE v > {random.randrange(10**6)}")
        cursor.fetchall()
        cursor.execute(random.choice(["COMMIT", "ROLLBACK"]))

    def _bound(self, cursor: Any, random: Random) -> None:
        keys = self._keys(random, 30)
        cursor.executemany("DELETE FROM small WHERE id = ?", [(key,) for key in keys[:3]])
        cursor.execute("SELECT v FROM small WHERE id = ?", (keys[0],))
        cursor.fetchall()

    def _temporary(self, cursor: Any, random: Random) -> None:
        name = f"scratch_{random.randrange(10**9)}"
        cursor.execute(f"CREATE TEMPORARY TABLE {name} AS SELECT id, v FROM small WHERE v > {random.randrange(10**6)}")
        cursor.execute(f"SELECT count(*) FROM {name}")
        cursor.fetchall()
        cursor.execute(f"DROP TABLE {name}")


def keep_notes(connection: Any, random: Random) -> None:
    """A user's own table."""
    key = random.randrange(500)
    with gone_quietly(connection.cursor()) as cursor:
        if random.random() < 0.2:
            cursor.execute(f"DELETE FROM notes WHERE id IN ({_listed([key, key + 1, key + 2])})")
        elif random.random() < 0.3:
            cursor.execute(f"SELECT count(*), max(t) FROM notes WHERE id > {key}")
            cursor.fetchall()
        else:
            text = f"note {random.random()}"
            cursor.execute(f"INSERT INTO notes VALUES ({key}, '{text}') ON CONFLICT (id) DO UPDATE SET t = EXCLUDED.t")


def read(connection: Any, random: Random) -> None:
    """One question; some of its answers are given up half way, some questions are refused."""
    text = random.choice(READS).format(random.randrange(10**6))
    with gone_quietly(connection.cursor()) as cursor:
        try:
            cursor.execute(text)
            cursor.fetchall() if random.random() < 0.9 and "series" not in text else cursor.fetchone()
        except Exception:
            if "no_such" not in text and not text.endswith("+"):
                raise


def define(connection: Any, random: Random) -> None:
    """A table that lives for one statement or two."""
    if random.random() > 0.02:
        return
    name = f"made_{random.randrange(10**9)}"
    with gone_quietly(connection.cursor()) as cursor:
        cursor.execute(f"CREATE TABLE {name} AS SELECT id, v FROM small WHERE v > {random.randrange(10**6)}")
        if random.random() < 0.5:
            cursor.execute(f"ALTER TABLE {name} ADD COLUMN more VARCHAR")
        cursor.execute(f"DROP TABLE {name}")


def _listed(keys: list[int]) -> str:
    return ", ".join(map(str, keys))
