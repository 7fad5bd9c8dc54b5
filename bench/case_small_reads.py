"""The shortest queries, where all is overhead: against a bare GetFlightInfo and DoGet that give the same row."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

import pyarrow as pa
import pyarrow.flight as flight

from bench.bare_flight import fetch, keep
from bench.figures import Figure, Goal, at_most
from bench.flight_sql_client import FlightSql, ingest_into
from bench.keyed_table import create_text, rows_of
from bench.measure import in_turn, typical
from bench.processes import Server, bare_flight, frostline
from bench.scale import Run

HOT_ROWS: Final = 10_000
Ask = Callable[[], pa.Table]
Made = Callable[[FlightSql], Ask]
KEY_STEP: Final = 7_919  # prime: the keys asked for are all over the table


def short_reads(run: Run) -> Iterator[Figure]:
    """`select 1`; one row by its key, among hot rows and among rows in Parquet: a new text each time, or a value bound
    to a prepared one, which is a call more."""
    with frostline(run.data / "server") as server, bare_flight(run.data) as bare_uri:
        _load(server, run.scale.key_rows)
        yield _measured(run, server, bare_uri, "select 1", _texts(lambda: "SELECT 1"), at_most(1.6))
        for kind, rows in (("hot", HOT_ROWS), ("cold", run.scale.key_rows)):
            points = _points(kind, rows)
            yield _measured(run, server, bare_uri, f"point read by key, {kind}", _texts(points), at_most(2.4))
            name = f"point read by key, {kind}, bound"
            yield _measured(run, server, bare_uri, name, _bound(kind, rows), at_most(2))


def _load(server: Server, cold_rows: int) -> None:
    server.run(create_text("hot"), create_text("cold"))
    with closing(FlightSql(server.uri)) as client:
        client.put(ingest_into("cold"), rows_of(cold_rows))
        server.flush("TABLE cold")
        for first in range(0, HOT_ROWS, 100):
            client.put(ingest_into("hot"), rows_of(100, first))


def _texts(sql: Callable[[], str]) -> Made:
    return lambda client: lambda: client.query(sql())


def _bound(table: str, rows: int) -> Made:
    def prepared(client: FlightSql) -> Ask:
        statement, numbers = client.prepare_query(f"SELECT * FROM {table} WHERE id = ?"), itertools.count()
        return lambda: client.query_bound(statement, pa.table({"1": [next(numbers) * KEY_STEP % rows]}))

    return prepared


def _points(table: str, rows: int) -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"SELECT * FROM {table} WHERE id = {next(numbers) * KEY_STEP % rows}"


def _measured(run: Run, server: Server, bare_uri: str, name: str, made: Made, goal: Goal) -> Figure:
    with closing(FlightSql(server.uri)) as ours, flight.connect(bare_uri) as bare:
        ask = made(ours)
        table = ask()
        assert table.num_rows == 1
        keep(bare, "row", table)
        cpu = server.cpu_seconds()
        sides = (
            typical(ask, run.scale.calls),
            typical(lambda: fetch(bare, "row"), run.scale.calls),
        )
        seconds = in_turn(*sides, rounds=run.scale.rounds)
    return Figure(
        f"{name} vs bare Flight pair",
        "ms",
        seconds[0] * 1e3,
        seconds[1] * 1e3,
        goal,
        seconds.times(),
        server.usage(cpu),
    )
