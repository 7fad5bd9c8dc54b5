"""Bulk ingest of lineitem: against a DoPut that forgets the rows, and then pyarrow writing them as the same Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

from bench.bare_flight import sink
from bench.cold_file import write_cold_file
from bench.figures import Figure, Of, at_least, at_most
from bench.flight_sql_client import FlightSql, ingest_into
from bench.measure import in_turn, timed
from bench.processes import bare_flight, frostline
from bench.scale import Run
from bench.tpch_data import tpch_files, tpch_rows

RSS_MIB_MAX = 1536


def bulk_ingest(run: Run) -> Iterator[Figure]:
    """lineitem into a table without a key, replaced in each round; all or nothing, durable at the answer."""
    rows = tpch_rows(tpch_files(run.data, run.scale.tpch_factor), "lineitem").read_all()
    numbered = rows.add_column(0, "_seq", pa.array(np.arange(rows.num_rows)))
    with (
        frostline(run.data / "server") as server,
        bare_flight(run.data) as bare_uri,
        flight.connect(bare_uri) as bare,
        closing(FlightSql(server.uri)) as ours,
    ):

        def bare_and_parquet() -> None:
            sink(bare, rows)
            _write_parquet(numbered, run.data / "bare.parquet")

        load = timed(lambda: ours.put(ingest_into("lineitem", replace=True), rows))
        cpu = server.cpu_seconds()
        seconds = in_turn(load, timed(bare_and_parquet), rounds=run.scale.rounds)
        usage = server.usage(cpu)
    rates = [rows.num_rows / 1e6 / each for each in seconds]
    factor = f"SF{run.scale.tpch_factor:g}"
    name = f"bulk ingest of lineitem {factor} vs DoPut sink + pyarrow Parquet"
    yield Figure(name, "M rows/s", rates[0], rates[1], at_least(0.85), seconds.rates(), usage)
    yield _memory(f"server RSS, at most, bulk ingest {factor}", usage.rss_bytes_max)


def bulk_ingest_large(run: Run, factor: float = 5) -> Iterator[Figure]:
    """How much memory a load takes that is larger than memory should be."""
    directory = tpch_files(run.data, factor)
    with frostline(run.data / "server") as server, closing(FlightSql(server.uri)) as ours:
        cpu = server.cpu_seconds()
        rows = 0

        def load() -> None:
            nonlocal rows
            rows = ours.put(ingest_into("lineitem", replace=True), tpch_rows(directory, "lineitem"))

        seconds = timed(load)()
        usage = server.usage(cpu)
    name = f"bulk ingest of lineitem SF{factor:g}, client reads Parquet meanwhile"
    yield Figure(name, "M rows/s", rows / 1e6 / seconds, usage=usage)
    yield _memory(f"server RSS, at most, bulk ingest SF{factor:g}", usage.rss_bytes_max)


def _memory(name: str, rss_bytes_max: int) -> Figure:
    return Figure(name, "MiB", rss_bytes_max / (1 << 20), goal=at_most(RSS_MIB_MAX, Of.OURS))


def _write_parquet(rows: pa.Table, path: Path) -> None:
    """As our cold files are written, by one call, and on disk when it returns."""
    write_cold_file(rows, path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        path.unlink()
