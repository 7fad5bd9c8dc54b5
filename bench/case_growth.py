"""Cost as it grows: ten times the rows, ten times the files, many tables, sixteen clients. Each against itself.

A figure's two sides are the cost at the largest and at the smallest size; its goal is that the cost grows no faster
than the size. The points between are plotted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Final

from bench.case_fresh import FULL_AGGREGATE
from bench.clients import together
from bench.figures import Figure, Point, at_most
from bench.flight_sql_client import FlightSql, ingest_into
from bench.keyed_table import create_text, rows_of
from bench.measure import Side, alone, timed, typical
from bench.processes import Server, frostline
from bench.scale import Run

ROWS_STEPS: Final = (1, 2, 5, 10)
FILES_STEPS: Final = (2, 5, 10, 20)
CLIENTS_STEPS: Final = (1, 2, 4, 8, 16)
FILE_ROWS: Final = 5_000


def growth(run: Run) -> Iterator[Figure]:
    """One server for all; it holds what the cases before left in it."""
    with frostline(run.data / "server") as server, closing(FlightSql(server.uri)) as client:
        for case in (_rows, _files, _clients, _tables):
            yield from case(run, server, client)


def _rows(run: Run, server: Server, client: FlightSql) -> Iterator[Figure]:
    aggregate, point = [], []
    for step in ROWS_STEPS:
        name, rows = f"rows_{step}", step * run.scale.growth_rows
        server.run(create_text(name))
        client.put(ingest_into(name), rows_of(rows))
        server.flush(f"TABLE {name}")
        sql = FULL_AGGREGATE.format(name)
        aggregate.append((rows, alone(timed(lambda sql=sql: client.query(sql)), run.scale.rounds)))  # type: ignore[misc]
        point.append((rows, alone(_point_read(client, name, run.scale.calls), run.scale.rounds)))
    yield _grown("full aggregate, rows x 10", aggregate)
    yield _grown("point read by key, rows x 10", point)


def _files(run: Run, server: Server, client: FlightSql) -> Iterator[Figure]:
    server.run(create_text("files"))
    found = []
    for number in range(1, FILES_STEPS[-1] + 1):
        client.put(ingest_into("files"), rows_of(FILE_ROWS, number * FILE_ROWS))
        server.flush("TABLE files")
        if number in FILES_STEPS:
            side = timed(lambda: client.query(FULL_AGGREGATE.format("files")))
            found.append((number, alone(side, 3 * run.scale.rounds)))
    yield _grown("full aggregate, files (and rows) x 10", found)


def _clients(run: Run, server: Server, client: FlightSql) -> Iterator[Figure]:
    found = []
    for count in CLIENTS_STEPS:
        with ExitStack() as open_clients:
            calls = []
            for _ in range(count):
                own = FlightSql(server.uri)
                open_clients.callback(own.close)
                calls.append(_asking(own, "SELECT * FROM rows_1 WHERE id = 4711"))
            found.append((count, alone(together(calls, run.scale.growth_calls), run.scale.rounds)))
    yield _grown("point reads, clients x 16, each as many", found)


def _tables(run: Run, server: Server, client: FlightSql) -> Iterator[Figure]:
    steps = sorted({1, run.scale.growth_tables // 10, run.scale.growth_tables})
    create: list[tuple[int, float]] = []
    read: list[tuple[int, float]] = []
    listed: list[tuple[int, float]] = []
    made = 0
    _make_table(client, "warm")  # the first one of all costs more, and would count as growth turned round
    for count in steps:
        seconds = timed(lambda count=count, made=made: _make_tables(client, made, count))()  # type: ignore[misc]
        create.append((count, seconds / (count - made)))
        made = count
        read.append((count, alone(_point_read(client, "table_0", run.scale.calls), run.scale.rounds)))
        listed.append((count, alone(timed(_asking(client, "SELECT * FROM system.tables")), run.scale.rounds)))
    times = steps[-1]
    yield _grown(f"CREATE TABLE and one row, tables x {times}", create)
    yield _grown(f"point read by key, tables x {times}", read)
    yield _grown(f"read system.tables, tables x {times}", listed)


def _make_tables(client: FlightSql, first: int, end: int) -> None:
    for number in range(first, end):
        _make_table(client, f"table_{number}")


def _make_table(client: FlightSql, name: str) -> None:
    client.query(create_text(name))
    client.put(ingest_into(name), rows_of(1, 0))


def _point_read(client: FlightSql, table: str, calls: int) -> Side:
    return typical(_asking(client, f"SELECT * FROM {table} WHERE id = 0"), calls)


def _asking(client: FlightSql, sql: str) -> Callable[[], object]:
    return lambda: client.query(sql)


def _grown(name: str, found: list[tuple[int, float]]) -> Figure:
    """`found`: size -> seconds. The goal leaves a tenth for chance."""
    (first, smallest), (last, largest) = found[0], found[-1]
    points = tuple(Point(f"{size:,}", seconds * 1e3) for size, seconds in found)
    return Figure(name, "ms", largest * 1e3, smallest * 1e3, goal=at_most(1.1 * last / first), points=points)
