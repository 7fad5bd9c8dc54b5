"""A server at all of its work over ADBC, round after round, with a journal for the oracle."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from tests.faults.mixed_load import gone_quietly
from tests.faults.oracle import Content, Expected, Journal, pad_of
from tests.support.server_process import ServerProcess

CONFIG: Final = """
[storage]
hot_statement_bytes_max = 4000    # ingests go straight to files
[jobs]
sweep_interval_seconds = 1
"""
ROUNDS_MAX: Final = 30  # the last ones only wait for the sweep
LOADED_ROWS: Final = 300
COLUMNS: Final = ("k", "v", "pad")


class SqlWork:
    """`content`: what the server has acknowledged so far. The ledger is the server's own affair (None)."""

    def __init__(self, journal: Path) -> None:
        self.journal_path = journal
        self.content: Content = {"tables": {}, "jobs": None}
        self._journal = Journal(journal)
        self._rounds = 0

    def run(self, server: ServerProcess) -> None:
        """Round after round until the server is gone. Fails when it says too much, or lives on."""
        try:
            for _ in range(ROUNDS_MAX):
                self.round(server)
        except Exception as error:
            assert_says_nothing_inner(str(error), server)
            return
        raise AssertionError("the server lives on: the point was not reached")

    def round(self, server: ServerProcess) -> None:
        """Raises what the driver raises."""
        self._rounds += 1
        first = self._rounds * 10_000
        with gone_quietly(server.connect()) as connection, gone_quietly(connection.cursor()) as cursor:
            if "kv" not in self.content["tables"]:
                self._create(cursor, "kv", ", PRIMARY KEY (k)")
                self._create(cursor, "log", "")
            self._insert(cursor, "kv", range(first, first + 20))
            self._insert(cursor, "log", range(first, first + 5))
            self._ingest(cursor, "kv", range(first + 1000, first + 1000 + LOADED_ROWS))
            self._same(cursor, "FLUSH TABLE kv")
            self._delete(cursor, "kv", range(first + 1005, first + 1200))
            self._update(cursor, "kv", range(first, first + 3), 2)
            self._create(cursor, "gone", "")
            self._ingest(cursor, "gone", range(LOADED_ROWS))
            self._same(cursor, "FLUSH TABLE log")
            self._same(cursor, "FLUSH TABLE kv")
            self._same(cursor, "COMPACT TABLE kv")
            self._drop(cursor, "gone")

    def settle(self, server: ServerProcess) -> None:
        """Take what the server holds for acknowledged, if it is that or what was pending."""
        found: Content = {"tables": {}, "jobs": None}
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
            for (name,) in cursor.fetchall():
                cursor.execute(f"SELECT k, v, pad FROM {name}")
                rows = cursor.fetchall()
                assert all(pad == pad_of(k, v) for k, v, pad in rows)
                assert len({k for k, _, _ in rows}) == len(rows), f"a row is in table {name} twice"
                found["tables"][name] = {"columns": list(COLUMNS), "rows": {str(k): v for k, v, _ in rows}}
        Expected.read(self.journal_path).settle(found)
        self.content = found
        self._journal.acked(found)

    def _step(self, after: Content, act: Callable[[], Any]) -> None:
        self._journal.pending(after)
        act()
        self.content = after
        self._journal.acked(after)

    def _create(self, cursor: Any, name: str, key: str) -> None:
        after = deepcopy(self.content)
        after["tables"][name] = {"columns": list(COLUMNS), "rows": {}}
        sql = f"CREATE TABLE {name} (k BIGINT, v BIGINT, pad VARCHAR{key}) WITH (deleted_retention = '0s')"
        self._step(after, lambda: cursor.execute(sql))

    def _drop(self, cursor: Any, name: str) -> None:
        after = deepcopy(self.content)
        del after["tables"][name]
        self._step(after, lambda: cursor.execute(f"DROP TABLE {name}"))

    def _with(self, name: str, keys: range, v: int) -> Content:
        after = deepcopy(self.content)
        after["tables"][name]["rows"] |= {str(k): v for k in keys}
        return after

    def _insert(self, cursor: Any, name: str, keys: range) -> None:
        rows = ", ".join(f"({k}, 1, '{pad_of(k, 1)}')" for k in keys)
        self._step(self._with(name, keys, 1), lambda: cursor.execute(f"INSERT INTO {name} VALUES {rows}"))

    def _update(self, cursor: Any, name: str, keys: range, v: int) -> None:
        rows = ", ".join(f"({k}, {v}, '{pad_of(k, v)}')" for k in keys)
        upsert = f"INSERT INTO {name} VALUES {rows} ON CONFLICT (k) DO UPDATE SET v = EXCLUDED.v, pad = EXCLUDED.pad"
        self._step(self._with(name, keys, v), lambda: cursor.execute(upsert))

    def _ingest(self, cursor: Any, name: str, keys: range) -> None:
        columns = {"k": list(keys), "v": [1] * len(keys), "pad": [pad_of(k, 1) for k in keys]}
        data = pa.table(columns, schema=pa.schema([("k", pa.int64()), ("v", pa.int64()), ("pad", pa.string())]))
        self._step(self._with(name, keys, 1), lambda: cursor.adbc_ingest(name, data, mode="append"))

    def _delete(self, cursor: Any, name: str, keys: range) -> None:
        after = deepcopy(self.content)
        for k in keys:
            del after["tables"][name]["rows"][str(k)]
        self._step(after, lambda: cursor.execute(f"DELETE FROM {name} WHERE k BETWEEN {keys[0]} AND {keys[-1]}"))

    def _same(self, cursor: Any, sql: str) -> None:
        """A command that no client sees a difference of."""

        def act() -> None:
            cursor.execute(sql)
            cursor.fetchall()

        self._step(self.content, act)


def assert_says_nothing_inner(text: str, server: ServerProcess) -> None:
    """No path and no traceback in what a client is told."""
    for inner in (str(server.data), "Traceback", 'File "', "/rows/", "/cold/", "rocksdict"):
        assert inner not in text, text
