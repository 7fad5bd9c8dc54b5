"""Sides answer the same questions: Frostline with its rows hot, cold and mixed, and DuckDB.

Rows go the real way in: a bulk load into the storage engine, a flush, a DELETE. Each state is a namespace of one
server without port or jobs.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest.mock import patch

import duckdb
import pyarrow as pa

from flight_server.query import bounds
from flight_server.query import engine as engine_module
from flight_server.query.sessions.settings import QuerySettings
from flight_server.wire.requests import IfExists, IfMissing, IngestCommand
from storage.catalog.names import TableName
from storage.clock import ManualClock
from storage.engine import Engine
from storage.maintenance.flush import flush_partition
from storage.settings import StorageSettings
from tests.second_opinion.mended import query_engine
from tests.second_opinion.tables import DEAD_ID, Place, Row, Table
from tests.support.in_process import House

STATES: Final = ("hot", "cold", "mixed")
IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - syncs cost nothing there
SETTINGS: Final = QuerySettings(memory_bytes_max=256 << 20, partitions=3, worker_threads=2, batch_rows=16)


class Sides:
    """Both sides with the tables they were filled with last."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._sessions = {state: house.enter(state) for state in STATES}
        for state, session in self._sessions.items():
            house.do(session, f"CREATE NAMESPACE {state}")
            house.do(session, f"USE {state}")
        self._oracle = duckdb.connect()
        self._oracle.execute(
            "SET TimeZone = 'UTC'; SET threads = 1; SET integer_division = true; "
            "SET default_null_order = 'nulls_last_on_asc_first_on_desc'"
        )

    def fill(self, tables: Sequence[Table]) -> None:
        for table in tables:
            for state in STATES:
                self._fill(state, table)
            self._oracle.register("incoming", table.arrow(table.live))
            self._oracle.execute(f"CREATE OR REPLACE TABLE {table.name} AS SELECT * FROM incoming")
            self._oracle.unregister("incoming")

    def ours(self, state: str, sql: str) -> pa.Table:
        """Asked twice, so that what is kept of a plan and of its result is judged."""
        self._house.do(self._sessions[state], sql)
        return self._house.do(self._sessions[state], sql)

    def theirs(self, sql: str) -> pa.Table:
        return self._oracle.sql(sql).to_arrow_table()

    def our_view(self, state: str, sql: str) -> None:
        self._house.do(self._sessions[state], f"CREATE OR REPLACE VIEW w AS {sql}")

    def theirs_view(self, sql: str) -> None:
        self._oracle.execute(f"CREATE OR REPLACE VIEW w AS {sql}")

    def close(self) -> None:
        self._oracle.close()

    def _fill(self, state: str, table: Table) -> None:
        session = self._sessions[state]
        self._house.do(session, table.sql)
        if state == "hot":
            self._load(state, table, table.live)
        elif state == "cold":
            self._load(state, table, table.live)
            self._flush(state, table)
        else:
            for place in Place:
                self._load(state, table, [row for row in table.rows if row.place is place])
                if place is not Place.HOT:
                    self._flush(state, table)
            if len(table.live) < len(table.rows):
                self._house.do(session, f"DELETE FROM {table.name} WHERE id >= {DEAD_ID}")

    def _load(self, state: str, table: Table, rows: Sequence[Row]) -> None:
        if not rows:
            return
        batches = table.arrow(rows)
        command = IngestCommand(
            table=table.name,
            namespace=state,
            catalog=None,
            temporary=False,
            if_missing=IfMissing.FAIL,
            if_exists=IfExists.APPEND,
            transaction_id=None,
            options={},
        )
        session = self._sessions[state]
        statements, rows = self._house.statements, batches.to_batches()
        statements.ingest(session, command, lambda _: iter(rows), batches.schema, lambda: False)

    def _flush(self, state: str, table: Table) -> None:
        engine = self._house.engine
        stored = engine.state.catalog.table(TableName(state, table.name))
        for definition, partition in list(engine.users.partitions_of(stored)):
            flush_partition(engine, definition, partition, lambda: False)


@contextmanager
def both_sides(without: frozenset[str] = frozenset(), is_short: bool = True) -> Iterator[Sides]:
    """On empty directories. is_short: whether short statements may run in one piece, as they do on a server."""
    directory = Path(tempfile.mkdtemp(prefix="second-opinion-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    clock = ManualClock()
    engine = Engine.open(directory / "data", StorageSettings(), clock)
    queries = query_engine(SETTINGS, directory / "spill", engine.file_stores, without)
    house = House(engine, queries, clock, 1e9)
    sides = Sides(house)
    try:
        with patch.object(engine_module, "is_short", bounds.is_short if is_short else _never_short):
            yield sides
    finally:
        sides.close()
        house.sessions.close_all()
        house.statements.close()
        queries.close()
        engine.close()
        shutil.rmtree(directory, ignore_errors=True)


def _never_short(logical_plan: str, input_rows: int) -> bool:
    return False
