"""Frostline and DuckDB side by side, under changes and moves of files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import duckdb
from adbc_driver_manager import dbapi

from tests.demo.duckdb_side import assert_same, rows_of
from tests.faults.questions import Question, Schema, change, question, schema
from tests.support.server_process import ServerProcess

TABLES = 2  # more of them: long/test_long_cross_check


STATEMENTS_A_TABLE = 45


CONFIG = """
[storage]
hot_statement_bytes_max = 20000    # the larger statements go straight to files
[jobs]
flush_check_seconds = 0.2
compact_check_seconds = 0.3
sweep_interval_seconds = 1
"""


class BothSides:
    """The server and the oracle; every statement goes to both."""

    def __init__(self, connection: Any) -> None:
        self._cursor = connection.cursor()
        self._oracle = duckdb.connect()
        self._oracle.execute("SET TimeZone = 'UTC'")
        self.done: list[str] = []

    def create(self, table: Schema) -> None:
        self._cursor.execute(table.ours)
        self._oracle.execute(table.theirs)
        self.done = [table.ours]

    def change(self, sql: str) -> None:
        if not self._runs(sql):
            return
        [[expected]] = self._oracle.execute(sql).fetchall()
        assert self._cursor.rowcount == expected, self.told()

    def ask(self, asked: Question) -> None:
        if not self._runs(asked.sql):
            return
        found = rows_of(self._cursor.fetch_arrow_table())
        expected = rows_of(self._oracle.sql(asked.sql).to_arrow_table())
        if not asked.is_ordered:
            found, expected = sorted(found, key=repr), sorted(expected, key=repr)
        try:
            assert_same(found, expected)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None

    def _runs(self, sql: str) -> bool:
        """False for the one thing that is refused since the engine answers it wrongly."""
        self.done.append(sql)
        try:
            self._cursor.execute(sql)
        except dbapi.NotSupportedError as error:
            if "NOT IN of two lists without a common value" not in str(error):
                raise
            return False
        return True

    def told(self) -> str:
        """What led here, newest last."""
        return "\n".join(sql[:300] for sql in self.done[-20:])

    def close(self) -> None:
        self._cursor.close()
        self._oracle.close()


@contextmanager
def moving(server: ServerProcess, random: Random) -> Iterator[list[int]]:
    """Flush and compact all tables in another session until the block is left. Gives the number of moves, in a list."""
    stop = threading.Event()
    moves = [0]
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with server.connect() as connection, connection.cursor() as cursor:
                while not stop.is_set():
                    moves[0] += move(cursor, random)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield moves
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert failed == []


def move(cursor: Any, random: Random) -> int:
    """One round; how many jobs ended."""
    cursor.execute("SHOW TABLES")
    tables = [row[1] for row in cursor.fetchall()]
    if not tables:
        return 0
    cursor.execute(random.choice(["FLUSH ALL", f"COMPACT TABLE {random.choice(tables)}"]))
    jobs = cursor.fetchall()
    for job in jobs:
        cursor.execute(f"WAIT FOR JOB '{job[0]}'")
        [ended] = cursor.fetchall()
        assert ended[3] in ("completed", "skipped"), ended
    return len(jobs)


@contextmanager
def a_server(directory: Path) -> Iterator[ServerProcess]:
    config = directory / "frostline.toml"
    config.write_text(CONFIG)
    with ServerProcess(directory / "data", "--config", str(config)) as server:
        yield server


def cross_check(server: ServerProcess, seed: int, tables: int) -> int:
    """As many tables of random making; how many times rows were moved meanwhile."""
    random = Random(seed)
    with server.connect() as connection, moving(server, Random(seed)) as moves:
        for number in range(tables):
            both = BothSides(connection)
            table = schema(random, f"t{seed}_{number}")
            both.create(table)
            for _ in range(STATEMENTS_A_TABLE):
                both.change(change(random, table))
                both.ask(question(random, table))
            both.close()
        return moves[0]
