"""Rows as they come in small: many one-row inserts, and many small files, must not make a query slow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pyarrow as pa
import pyarrow.flight as flight

from bench.bare_flight import fetch, keep
from bench.case_small_writes import INSERT, fresh_rows
from bench.clients import inserters, together
from bench.figures import Figure, at_most
from bench.flight_sql_client import FlightSql, ingest_into
from bench.keyed_table import create_text, rows_of
from bench.measure import in_turn, timed, typical
from bench.peers import datafusion
from bench.processes import bare_flight, frostline
from bench.scale import Run

GROUPED: Final = "SELECT id % 100 AS part, count(*) AS n, sum(amount) AS amount FROM small GROUP BY id % 100"
FULL_AGGREGATE: Final = (
    "SELECT count(*), sum(amount), avg(amount), min(id), max(id), count(DISTINCT kind), max(kind) FROM {}"
)
FILES: Final = 20
FILE_ROWS: Final = 10_000
CLIENTS: Final = 16


def fresh_group_by(run: Run) -> Iterator[Figure]:
    """The peer: one Arrow table with the same rows in bare DataFusion, and a bare Flight pair giving the result."""
    with (
        frostline(run.data / "server") as server,
        bare_flight(run.data) as bare_uri,
        flight.connect(bare_uri) as bare,
        closing(FlightSql(server.uri)) as ours,
    ):
        server.run(create_text("small"))
        with inserters(server.uri, INSERT, fresh_rows(), CLIENTS) as insert:
            together(insert, run.scale.fresh_rows // CLIENTS)()
        context = datafusion()
        context.from_arrow(ours.query("SELECT * FROM small").combine_chunks(), "small")
        keep(bare, "grouped", ours.query(GROUPED))

        def peer() -> pa.Table:
            context.sql(GROUPED).to_arrow_table()
            return fetch(bare, "grouped")

        cpu = server.cpu_seconds()
        sides = typical(lambda: ours.query(GROUPED), run.scale.calls), typical(peer, run.scale.calls)
        turns = in_turn(*sides, rounds=run.scale.rounds)
        usage = server.usage(cpu)
    name = f"GROUP BY over {run.scale.fresh_rows // 1000} k one-row inserts vs DataFusion + Flight pair"
    yield Figure(name, "ms", turns[0] * 1e3, turns[1] * 1e3, at_most(1.5), turns.times(), usage)


def many_files(run: Run) -> Iterator[Figure]:
    """The same rows in twenty flushed files and in one."""
    with frostline(run.data / "server") as server, closing(FlightSql(server.uri)) as client:
        server.run(create_text("many"), create_text("single"))
        for number in range(FILES):
            client.put(ingest_into("many"), rows_of(FILE_ROWS, number * FILE_ROWS))
            server.flush("TABLE many")
        client.put(ingest_into("single"), rows_of(FILES * FILE_ROWS))
        server.flush("TABLE single")
        assert len(server.cold_files("public", "many")) == FILES
        cpu = server.cpu_seconds()
        many, single = FULL_AGGREGATE.format("many"), FULL_AGGREGATE.format("single")
        sides = timed(lambda: client.query(many)), timed(lambda: client.query(single))
        turns = in_turn(*sides, rounds=3 * run.scale.rounds)
        usage = server.usage(cpu)
    name = f"full aggregate, {FILES * FILE_ROWS // 1000} k rows in {FILES} flushed files vs in one"
    yield Figure(name, "ms", turns[0] * 1e3, turns[1] * 1e3, at_most(1.5), turns.times(), usage)
