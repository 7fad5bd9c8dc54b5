"""A dashboard: twelve aggregates over one table, asked again and again, and once more after a new row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pyarrow.flight as flight

from bench.bare_flight import fetch, keep
from bench.figures import Figure, at_most
from bench.flight_sql_client import FlightSql, ingest_into
from bench.keyed_table import create_text, rows_of
from bench.measure import alone, in_turn, timed
from bench.processes import bare_flight, frostline
from bench.scale import Run

CACHE_BYTES: Final = 64 << 20
TEXTS: Final = tuple(
    f"SELECT kind, count(*) AS n, {aggregate} AS v FROM shown WHERE id % {step} <> 1 GROUP BY kind ORDER BY kind"
    for aggregate in ("sum(amount)", "avg(amount)", "min(id)", "max(id)")
    for step in (2, 3, 5)
)


def dashboard(run: Run) -> Iterator[Figure]:
    """Beside a bare pair each that gives the same rows."""
    with (
        frostline(run.data / "server", result_cache_bytes_max=CACHE_BYTES) as server,
        bare_flight(run.data) as bare_uri,
        closing(FlightSql(server.uri)) as ours,
        flight.connect(bare_uri) as bare,
    ):
        server.run(create_text("shown"))
        ours.put(ingest_into("shown"), rows_of(run.scale.key_rows))
        server.flush("TABLE shown")
        for number, sql in enumerate(TEXTS):
            keep(bare, str(number), ours.query(sql))
        cpu = server.cpu_seconds()
        seconds = in_turn(
            timed(lambda: [ours.query(sql) for sql in TEXTS]),
            timed(lambda: [fetch(bare, str(number)) for number in range(len(TEXTS))]),
            rounds=5 * run.scale.rounds,
        )
        name, kept = f"{len(TEXTS)} aggregates of an unchanged table", seconds[0] * 1e3
        usage = server.usage(cpu)
        yield Figure(f"{name} vs a bare pair each", "ms", kept, seconds[1] * 1e3, at_most(1.5), seconds.times(), usage)
        ids = iter(range(run.scale.key_rows, 1 << 60))

        def after_a_row() -> float:
            server.run(f"INSERT INTO shown VALUES ({next(ids)}, 'kind 1', 1)")
            return timed(lambda: [ours.query(sql) for sql in TEXTS])()

        yield Figure("the same after one more row", "ms", alone(after_a_row, run.scale.rounds) * 1e3)
