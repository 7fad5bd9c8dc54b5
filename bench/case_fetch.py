"""Fetching many rows: ours decodes Parquet on the way, the bare Flight server has the very rows in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pyarrow.flight as flight

from bench.bare_flight import fetch, keep
from bench.figures import Figure, at_least
from bench.flight_sql_client import FlightSql
from bench.measure import in_turn, timed
from bench.processes import Server, bare_flight
from bench.scale import Run
from bench.tpch_data import COLD

FETCHED: Final = f"SELECT l_orderkey, l_partkey, l_extendedprice, l_shipdate FROM {COLD}.lineitem"


def four_columns(run: Run, server: Server) -> Iterator[Figure]:
    """All of lineitem. Both sides through the same bare client; what ADBC makes of ours is reported."""
    with (
        bare_flight(run.data) as bare_uri,
        flight.connect(bare_uri) as bare,
        closing(FlightSql(server.uri)) as ours,
        closing(server.connect()) as connection,
        closing(connection.cursor()) as cursor,
    ):
        table = ours.query(FETCHED)
        keep(bare, "lineitem", table)

        def over_adbc() -> None:
            cursor.execute(FETCHED)
            assert cursor.fetch_arrow_table().num_rows == table.num_rows

        sides = (timed(lambda: ours.query(FETCHED)), timed(lambda: fetch(bare, "lineitem")), timed(over_adbc))
        cpu = server.cpu_seconds()
        seconds = in_turn(*sides, rounds=run.scale.rounds)
    rates = [table.num_rows / 1e6 / each for each in seconds]
    name = f"fetch {table.num_rows / 1e6:.1f} M rows x 4 columns"
    usage = server.usage(cpu)
    yield Figure(f"{name} vs bare Flight", "M rows/s", rates[0], rates[1], at_least(0.75), seconds.rates(), usage)
    yield Figure(f"{name}, ADBC client", "M rows/s", rates[2], rates[1])
