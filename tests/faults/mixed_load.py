"""Clients that change two tables at once over ADBC, each knowing exactly what must be found afterwards.

Each worker owns a range of keys in both tables, so nobody else changes its rows. What it knows of them is what was
acknowledged (`acked`) and, while a statement is on its way, what they would be after it (`pending`): an answer that
never came means that either is right, whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import pyarrow as pa

from tests.support.server_process import ServerProcess

TABLES = ("kv", "log")  # with a primary key and without
DEFINITIONS = (
    "CREATE TABLE kv (k BIGINT PRIMARY KEY, v BIGINT) "
    "WITH (flush_policy = 'rows:400,interval:2s', deleted_retention = '0s')",
    "CREATE TABLE log (k BIGINT, v BIGINT) WITH (flush_policy = 'rows:700,interval:3s')",
)
CONFIG = """
[storage]
hot_statement_bytes_max = 2000    # most ingests go straight to files
[jobs]
flush_check_seconds = 0.2
compact_check_seconds = 0.5
sweep_interval_seconds = 1
"""
KEYS_OF_A_WORKER = 1_000_000
INGEST_ROWS_MAX = 400

State = dict[tuple[str, int], int]  # (table, key) -> value


class Worker:
    """One client thread. `failed`: what ended it, None while nothing did."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.random = Random(f"{seed}-{number}")
        self.acked: State = {}
        self.pending: State | None = None
        self.next_key = number * KEYS_OF_A_WORKER
        self.next_value = 0
        self.done = 0
        self.failed: Exception | None = None

    def run(self, server: ServerProcess, stop: threading.Event) -> None:
        """Change rows until told to stop or the server is gone."""
        try:
            with gone_quietly(server.connect()) as connection:
                while not stop.is_set():
                    self._one(connection)
        except Exception as error:
            self.failed = error

    def settle(self, found: State) -> None:
        """After a restart: what is there is what was acknowledged, or that and the whole pending statement."""
        if found != self.acked and found != self.pending:
            raise AssertionError(f"worker {self.number}: {self._told(found)}")
        self.acked, self.pending, self.failed = found, None, None

    def _told(self, found: State) -> str:
        lost = {key: value for key, value in self.acked.items() if found.get(key) != value}
        unknown = {key: value for key, value in found.items() if self.acked.get(key) != value}
        after = (
            "none"
            if self.pending is None
            else str(dict(sorted(set(self.pending.items()) ^ set(self.acked.items()))[:10]))
        )
        return f"lost {list(lost.items())[:10]}, found {list(unknown.items())[:10]}, pending {after}"

    def _one(self, connection: Any) -> None:
        change = self.random.choice([self._insert, self._upsert, self._delete, self._update, self._ingest, self._both])
        after = dict(self.acked)
        act = change(after)
        self.pending = after
        with gone_quietly(connection.cursor()) as cursor:
            act(cursor)
        self.acked, self.pending = after, None
        self.done += 1

    def _insert(self, after: State) -> Callable[[Any], None]:
        table, rows = self.random.choice(TABLES), self._new_rows(self.random.randint(1, 5))
        after |= {(table, k): v for k, v in rows}
        return lambda cursor: cursor.execute(f"INSERT INTO {table} VALUES {_values(rows)}")

    def _upsert(self, after: State) -> Callable[[Any], None]:
        rows = [(k, self._value()) for k in self._some(after, "kv", 4)] + self._new_rows(2)
        after |= {("kv", k): v for k, v in rows}
        return lambda cursor: cursor.execute(
            f"INSERT INTO kv VALUES {_values(rows)} ON CONFLICT (k) DO UPDATE SET v = EXCLUDED.v"
        )

    def _delete(self, after: State) -> Callable[[Any], None]:
        table = self.random.choice(TABLES)
        gone = self._some(after, table, 30)
        for k in gone:
            del after[(table, k)]
        return lambda cursor: cursor.execute(f"DELETE FROM {table} WHERE {_among(gone)}")

    def _update(self, after: State) -> Callable[[Any], None]:
        table, value = self.random.choice(TABLES), self._value()
        changed = self._some(after, table, 30)
        after |= {(table, k): value for k in changed}
        return lambda cursor: cursor.execute(f"UPDATE {table} SET v = {value} WHERE {_among(changed)}")

    def _ingest(self, after: State) -> Callable[[Any], None]:
        table, rows = self.random.choice(TABLES), self._new_rows(self.random.randint(1, INGEST_ROWS_MAX))
        after |= {(table, k): v for k, v in rows}
        columns = [pa.array(column, pa.int64()) for column in zip(*rows, strict=True)]
        data = pa.table(columns, names=["k", "v"])
        return lambda cursor: cursor.adbc_ingest(table, data, mode="append")

    def _both(self, after: State) -> Callable[[Any], None]:
        """One transaction over both tables."""
        steps = [change(after) for change in (self._insert, self._delete, self._upsert, self._update)]

        def act(cursor: Any) -> None:
            cursor.execute("BEGIN")
            for step in steps:
                step(cursor)
            cursor.execute("COMMIT")

        return act

    def _new_rows(self, count: int) -> list[tuple[int, int]]:
        first, self.next_key = self.next_key, self.next_key + count
        return [(k, self._value()) for k in range(first, first + count)]

    def _value(self) -> int:
        self.next_value += 1
        return self.next_value

    def _some(self, state: State, table: str, count: int) -> list[int]:
        own = [k for name, k in state if name == table]
        return self.random.sample(own, min(count, len(own)))


def _values(rows: list[tuple[int, int]]) -> str:
    return ", ".join(f"({k}, {v})" for k, v in rows)


def _among(keys: list[int]) -> str:
    return f"k IN ({', '.join(map(str, keys))})" if keys else "false"


@contextmanager
def gone_quietly(opened: Any) -> Iterator[Any]:
    """Close at the end, though the server may be gone by then: the driver can't, and would try again for ever."""
    try:
        yield opened
    finally:
        try:
            opened.close()
        except Exception:
            opened._closed = True


class Load:
    """All workers, and one more that flushes and compacts."""

    def __init__(self, workers: int, seed: int) -> None:
        self.workers = [Worker(number, seed) for number in range(workers)]
        self._random = Random(seed)

    @contextmanager
    def running(self, server: ServerProcess) -> Iterator[None]:
        """Threads are started, and ended when the block is left."""
        stop = threading.Event()
        threads = [threading.Thread(target=worker.run, args=(server, stop)) for worker in self.workers]
        threads.append(threading.Thread(target=self._move, args=(server, stop)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)
            assert not [thread for thread in threads if thread.is_alive()]

    def settle(self, rows: dict[str, list[tuple[int, int]]]) -> None:
        """`rows`: what each table holds after the restart. Fails on a row lost, doubled or half done."""
        found: list[State] = [{} for _ in self.workers]
        for table, pairs in rows.items():
            for k, v in pairs:
                own = found[k // KEYS_OF_A_WORKER]
                assert (table, k) not in own, f"key {k} is in table {table} twice"
                own[(table, k)] = v
        for worker, state in zip(self.workers, found, strict=True):
            worker.settle(state)

    def _move(self, server: ServerProcess, stop: threading.Event) -> None:
        with suppress(Exception), gone_quietly(server.connect()) as connection:
            while not stop.is_set():
                command = self._random.choice(["FLUSH", "FLUSH", "COMPACT"])
                with gone_quietly(connection.cursor()) as cursor:
                    cursor.execute(f"{command} TABLE {self._random.choice(TABLES)}")
                stop.wait(0.1)


def rows_of(server: ServerProcess) -> dict[str, list[tuple[int, int]]]:
    """All rows of both tables."""
    found = {}
    with gone_quietly(server.connect()) as connection, gone_quietly(connection.cursor()) as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT k, v FROM {table}")
            found[table] = [(k, v) for k, v in cursor.fetchall()]
    return found
