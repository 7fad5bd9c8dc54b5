"""The 22 TPC-H queries over ADBC against DataFusion and DuckDB in this process, on the server's own cold files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from bench.figures import Figure, Point, at_most
from bench.measure import Turns, in_turn, summed, timed
from bench.peers import datafusion_over, duckdb_over
from bench.processes import Server
from bench.scale import Run
from bench.tpch_data import COLD, MIXED, TABLES, queries

Ask = Callable[[str], Any]  # SQL text -> an Arrow table


def all_cold(run: Run, server: Server) -> Iterator[Figure]:
    """Every row in Parquet; both peers read the same files."""
    folders = {table: server.data / "cold" / COLD / table for table in TABLES}
    files, duck = datafusion_over(folders), duckdb_over(folders)
    cpu = server.cpu_seconds()
    with closing(server.connect()) as connection, closing(duck):
        asks = (_over_adbc(connection, COLD), _in_datafusion(files), lambda sql: duck.sql(sql).to_arrow_table())
        found = {name: _measured(run, sql, asks) for name, sql in queries(run.scale.tpch_query_step).items()}
    usage = server.usage(cpu)
    for place, peer, goal in ((1, "DataFusion", at_most(1.05)), (2, "DuckDB", None)):
        name = f"{len(found)} TPC-H queries, all cold, vs {peer}"
        yield _total(name, found, place, goal=goal, usage=usage)


def partly_hot(run: Run, server: Server) -> Iterator[Figure]:
    """1% of the rows hot, 0.1% updated; DataFusion reads the files that hold the same rows, all cold."""
    files = datafusion_over({table: server.data / "cold" / COLD / table for table in TABLES})
    cpu = server.cpu_seconds()
    with closing(server.connect()) as connection:
        asks = (_over_adbc(connection, MIXED), _in_datafusion(files))
        found = {name: _measured(run, sql, asks) for name, sql in queries(run.scale.tpch_query_step).items()}
    name = f"{len(found)} TPC-H queries, 1% hot, 0.1% updated, vs DataFusion"
    yield _total(name, found, 1, goal=at_most(1.15), usage=server.usage(cpu))


def _measured(run: Run, sql: str, asks: tuple[Ask, ...]) -> Turns:
    """All must give as many rows as ours does."""
    rows = {ask(sql).num_rows for ask in asks}
    assert len(rows) == 1, f"answers with {rows} rows to {sql}"
    sides = [timed(lambda ask=ask: ask(sql)) for ask in asks]  # type: ignore[misc]
    return in_turn(*sides, rounds=run.scale.rounds, warm_rounds=0)  # the check was the warming up


def _over_adbc(connection: Any, namespace: str) -> Ask:
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"USE {namespace}")

    def ask(sql: str) -> Any:
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    return ask


def _in_datafusion(context: Any) -> Ask:
    return lambda sql: context.sql(sql).to_arrow_table()


def _total(name: str, found: dict[str, Turns], theirs: int, **more: Any) -> Figure:
    """theirs: which side is compared with ours"""
    points = tuple(Point(name, turns[0], turns[theirs]) for name, turns in found.items())
    total = summed(list(found.values()))
    return Figure(name, "s", total[0], total[theirs], ratios=total.times(theirs), points=points, **more)
