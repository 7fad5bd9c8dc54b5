"""Many rows into a table with a primary key, new and known ones, against bare RocksDB writing the same keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from bench.figures import Figure, at_least
from bench.flight_sql_client import FlightSql, ingest_into
from bench.keyed_table import create_text, rows_of
from bench.measure import in_turn, timed
from bench.peers import key_bytes, rocksdb, write_keys
from bench.processes import frostline
from bench.scale import Run

UPSERT = """
    INSERT INTO keyed VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, amount = excluded.amount
"""


def keyed_ingest(run: Run) -> Iterator[Figure]:
    """Ids come in no order. Ours checks each key, writes it, and stores the row as well."""
    rows = rows_of(run.scale.key_rows, shuffled=True)
    keys = key_bytes(rows["id"].combine_chunks())
    with frostline(run.data / "server") as server, closing(FlightSql(server.uri)) as ours:

        def load() -> float:
            server.run(create_text("keyed"))
            return timed(lambda: ours.put(ingest_into("keyed"), rows))()

        def bare() -> float:
            with rocksdb(run.data / "rocks") as store:
                return timed(lambda: write_keys(store, keys))()

        cpu = server.cpu_seconds()
        seconds = in_turn(load, bare, rounds=run.scale.rounds)
        usage = server.usage(cpu)
    rates = [rows.num_rows / 1e3 / each for each in seconds]
    name = f"ingest {_count(rows.num_rows)} rows with a primary key vs bare RocksDB keys"
    yield Figure(name, "k rows/s", rates[0], rates[1], at_least(0.6), seconds.rates(), usage)


def upsert(run: Run) -> Iterator[Figure]:
    """Rows bound to INSERT .. ON CONFLICT DO UPDATE; every key is there already."""
    rows = rows_of(run.scale.key_rows, shuffled=True)
    known = rows.slice(0, run.scale.upsert_rows)
    keys = key_bytes(known["id"].combine_chunks())
    with (
        frostline(run.data / "server") as server,
        closing(FlightSql(server.uri)) as ours,
        rocksdb(run.data / "rocks") as store,
    ):
        server.run(create_text("keyed"))
        ours.put(ingest_into("keyed"), rows)
        write_keys(store, key_bytes(rows["id"].combine_chunks()))
        prepared = ours.prepare(UPSERT)
        cpu = server.cpu_seconds()
        sides = timed(lambda: ours.put(prepared, known)), timed(lambda: write_keys(store, keys))
        seconds = in_turn(*sides, rounds=run.scale.rounds)
        usage = server.usage(cpu)
    rates = [known.num_rows / 1e3 / each for each in seconds]
    name = f"upsert {_count(known.num_rows)} rows vs bare RocksDB keys"
    yield Figure(name, "k rows/s", rates[0], rates[1], at_least(0.35), seconds.rates(), usage)


def _count(rows: int) -> str:
    return f"{rows // 1_000_000} M" if rows >= 1_000_000 else f"{rows // 1000} k"
