"""Many users with rows of their own in one table: what they cost a server that they don't talk to, and each other.

The data directory is filled in this process, a commit for each user, since hashing ten thousand passwords would take
longer than all the rest. Then a server is started on it: with nobody, with a tenth of the users, with all.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from bench.figures import Figure, Point, at_most
from bench.flight_sql_client import FlightSql
from bench.measure import in_turn, typical
from bench.process_figures import rss_bytes
from bench.processes import PASSWORD, Server, started
from bench.scale import Run
from bench.tpch_data import NEVER_FLUSHED
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.catalog.schema import TableDef
from storage.clock import SystemClock
from storage.engine import Engine
from storage.maintenance.flush import flush_partition
from storage.primary_keys.encoding import encode_keys
from storage.rowstore.owners import OwnerKey
from storage.settings import StorageSettings
from storage.state.edits import Edit, RowChange

ROWS_EACH: Final = 100
ASKER: Final = "asker"
COLUMNS: Final = "id BIGINT PRIMARY KEY, kind VARCHAR, amount DOUBLE"
QUERY: Final = "SELECT kind, count(*) AS n, sum(amount) AS total FROM {} WHERE id >= {} GROUP BY kind ORDER BY kind"
SHARE: Final = 0.1  # of the users, in the smaller directory
GROWTH_GOAL: Final = at_most(1.1)  # "not growing", as far as two starts can be told apart


@dataclass(frozen=True, slots=True)
class Idle:
    """A server that nobody talked to yet."""

    users: int
    start_seconds: float
    rss_bytes: int


def many_users(run: Run) -> Iterator[Figure]:
    """Start and memory by number of users, their rows in Parquet or hot; one user's query beside all the others."""
    base = run.data / "users"
    for kind in ("cold", "hot"):
        folders = {users: base / str(users) for users in (0, int(run.scale.users * SHARE), run.scale.users)}
        for users, folder in folders.items():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder)
            _fill(folder / "data", users, is_cold=kind == "cold")
        found = _idle(run, folders)
        name = f"with {run.scale.users} users, {kind}, vs with none"
        yield _grown(f"start {name}", "s", found, lambda idle: idle.start_seconds)
        yield _grown(f"idle RSS {name}", "MiB", found, lambda idle: idle.rss_bytes / 2**20)
        with started(folders[run.scale.users]) as server:
            yield _asked(run, server, kind)
    shutil.rmtree(base, ignore_errors=True)


def _make(folder: Path) -> None:
    """A directory with the tables and the one user who asks."""
    with started(folder) as server:
        server.run(
            f"CREATE USER TABLE mine ({COLUMNS}) {NEVER_FLUSHED}",
            f"CREATE TABLE alone ({COLUMNS}) {NEVER_FLUSHED}",
            f"CREATE USER '{ASKER}' WITH PASSWORD '{PASSWORD}'",
            f"GRANT SELECT ON alone TO '{ASKER}'",
        )


def _fill(data: Path, users: int, *, is_cold: bool) -> None:
    """Rows for the user who asks, in both tables, and for `users` others."""
    with closing(Engine.open(data, StorageSettings(), SystemClock())) as engine:
        engine.commit(Edit(catalog=lambda catalog: _with_users(catalog, users)))
        catalog = engine.state.catalog
        mine, alone = (catalog.table(TableName("public", name)) for name in ("mine", "alone"))
        # The one who asks is in the middle of the others, among files and partitions.
        names = [*_names(users)[: users // 2], ASKER, *_names(users)[users // 2 :]]
        tables = [mine.owned_by(engine.users.owner(OwnerKey(n, catalog.users[n].created_ms))) for n in names]
        for table in (alone, *tables):
            engine.commit(Edit(rows=(_rows(table),), durable=False))
            if is_cold:
                flush_partition(engine, table, engine.state.partition(table.partition_id), lambda: False)


def _names(users: int) -> list[str]:
    return [f"user{number:05}" for number in range(users)]


def _with_users(catalog: Catalog, users: int) -> Catalog:
    asker = catalog.users[ASKER]
    made = {name: msgspec.structs.replace(asker, name=name) for name in _names(users)}
    return replace(catalog, users=MappingProxyType({**catalog.users, **made}))


def _rows(table: TableDef) -> RowChange:
    ids = np.arange(ROWS_EACH)
    kinds = pa.array([f"kind {number % 10}" for number in range(ROWS_EACH)])
    batch = pa.RecordBatch.from_arrays([pa.array(ids), kinds, pa.array(ids * 0.25)], schema=table.physical_schema)
    return RowChange(table=table, inserts=(batch,), new_keys=tuple(encode_keys([batch.column(0)], ["id"])))


def _idle(run: Run, folders: Mapping[int, Path]) -> list[Idle]:
    """Started in turn; of some starts the quickest, since what else the machine does only adds. Memory a moment after
    the last one."""
    seconds: dict[int, list[float]] = {users: [] for users in folders}
    rss = dict.fromkeys(folders, 0)
    for _ in range(run.scale.users_starts):
        for users, folder in folders.items():
            with started(folder) as server:
                seconds[users].append(server.ready_seconds)
                time.sleep(1)
                rss[users] = rss_bytes(server.pid)
    return [Idle(users, min(seconds[users]), rss[users]) for users in folders]


def _grown(name: str, unit: str, found: list[Idle], value: Callable[[Idle], float]) -> Figure:
    points = tuple(Point(f"{idle.users} users", value(idle)) for idle in found)
    note = ", ".join(f"{point.label}: {point.ours:.3g} {unit}" for point in points)
    return Figure(name, unit, points[-1].ours, points[0].ours, goal=GROWTH_GOAL, points=points, note=note)


def _asked(run: Run, server: Server, kind: str) -> Figure:
    with closing(FlightSql(server.uri, ASKER)) as client:
        sides = [typical(partial(_ask, client, table), run.scale.calls) for table in ("mine", "alone")]
        assert client.query(QUERY.format("mine", 0)).equals(client.query(QUERY.format("alone", 0)))
        seconds = in_turn(*sides, rounds=run.scale.rounds)
    ours, theirs = (each * 1e3 for each in seconds)
    name = f"a user's query among {run.scale.users} users, {kind}, vs a table with their rows alone"
    return Figure(name, "ms", ours, theirs, at_most(1.2), seconds.times())


_numbers = iter(range(1 << 60))


def _ask(client: FlightSql, table: str) -> None:
    """A new text each time."""
    client.query(QUERY.format(table, -next(_numbers)))
