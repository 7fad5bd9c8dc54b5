"""One-row INSERTs, each on disk before it is answered, against a bare DoPut that does nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

import pyarrow as pa

from bench.clients import inserters, sinkers, together
from bench.figures import Figure, at_least
from bench.keyed_table import create_text, rows_of
from bench.measure import alone, in_turn, typical
from bench.processes import Server, bare_flight, frostline
from bench.scale import Run

INSERT: Final = "INSERT INTO small VALUES (?, ?, ?)"
CLIENTS_MANY: Final = 16


def one_row_inserts(run: Run) -> Iterator[Figure]:
    """Prepared, into a table with a primary key. The same bare client sends the same row on both sides."""
    with frostline(run.data / "server") as server, bare_flight(run.data) as bare_uri:
        server.run(create_text("small"))
        next_row = fresh_rows()
        yield _one_client(run, server, bare_uri, next_row)
        yield _many_clients(run, server, bare_uri, next_row)
        yield _through_adbc(run, server, next_row)


def fresh_rows() -> Callable[[], pa.Table]:
    """Each call gives a row with a new id; any thread may call."""
    numbers = itertools.count()
    template = rows_of(1)
    schema, kind, amount = template.schema, template["kind"].combine_chunks(), template["amount"].combine_chunks()

    def row() -> pa.Table:
        return pa.Table.from_arrays([pa.array([next(numbers)], pa.int64()), kind, amount], schema=schema)

    return row


def _one_client(run: Run, server: Server, bare_uri: str, row: Callable[[], pa.Table]) -> Figure:
    with inserters(server.uri, INSERT, row, 1) as [insert], sinkers(bare_uri, row, 1) as [forget]:
        cpu = server.cpu_seconds()
        sides = typical(insert, run.scale.calls), typical(forget, run.scale.calls)
        turns = in_turn(*sides, rounds=run.scale.rounds)
    name = "prepared one-row INSERT, synced, 1 client, vs bare DoPut"
    return Figure(name, "/s", 1 / turns[0], 1 / turns[1], at_least(0.42), turns.rates(), server.usage(cpu))


def _many_clients(run: Run, server: Server, bare_uri: str, row: Callable[[], pa.Table]) -> Figure:
    times = run.scale.insert_calls_many
    with (
        inserters(server.uri, INSERT, row, CLIENTS_MANY) as insert,
        sinkers(bare_uri, row, CLIENTS_MANY) as forget,
    ):
        cpu = server.cpu_seconds()
        seconds = in_turn(together(insert, times), together(forget, times), rounds=run.scale.rounds)
    rates = [CLIENTS_MANY * times / each for each in seconds]
    name = f"prepared one-row INSERT, synced, {CLIENTS_MANY} clients, vs bare DoPut"
    return Figure(name, "/s", rates[0], rates[1], at_least(0.33), seconds.rates(), server.usage(cpu))


def _through_adbc(run: Run, server: Server, row: Callable[[], pa.Table]) -> Figure:
    with closing(server.connect()) as connection, closing(connection.cursor()) as cursor:
        seconds = alone(typical(lambda: cursor.execute(INSERT, row()), run.scale.calls), run.scale.rounds)
    return Figure("the same through ADBC's cursor.execute, 1 client", "/s", 1 / seconds)
