"""ROAPI, a server in Rust over the same engine: four kinds of query over the wire, same client, same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Final

from adbc_driver_flightsql import dbapi

from bench.case_fetch import FETCHED
from bench.figures import Figure, at_most
from bench.measure import in_turn, timed, typical
from bench.processes import Server, roapi
from bench.scale import Run
from bench.tpch_data import COLD

POINT: Final = "SELECT * FROM orders WHERE o_orderkey = 12345"
GROUPED: Final = """
    SELECT l_returnflag, l_linestatus, count(*), sum(l_quantity), avg(l_extendedprice) FROM lineitem GROUP BY 1, 2
"""


def against_roapi(run: Run, server: Server) -> Iterator[Figure]:
    """Both through ADBC. ROAPI runs a query when it is prepared; the whole exchange counts on both sides. By itself it
    reads its files into memory once: the GROUP BY is compared with that too."""
    if run.roapi is None:
        return
    many, some = run.scale.calls, max(5, run.scale.calls // 10)
    scan = FETCHED.replace(f"{COLD}.", "")
    yield from _compared(
        run,
        server,
        in_memory=False,
        asked=(
            ("select 1", "SELECT 1", many, 1.4),
            ("point read", POINT, some, 1.0),
            ("GROUP BY over lineitem", GROUPED, 1, 0.8),
            ("scan of lineitem, 4 columns", scan, 1, 0.9),
        ),
    )
    yield from _compared(run, server, in_memory=True, asked=(("GROUP BY over lineitem", GROUPED, 1, 1.1),))


def _compared(
    run: Run, server: Server, *, in_memory: bool, asked: Sequence[tuple[str, str, int, float]]
) -> Iterator[Figure]:
    """asked: (what it is, statement, calls in a round, at most so many times ROAPI's time)"""
    assert run.roapi is not None
    tables = {table: f"{server.data}/cold/{COLD}/{table}/" for table in ("orders", "lineitem")}
    with (
        roapi(run.roapi, tables, run.data, in_memory=in_memory) as uri,
        closing(server.connect()) as ours,
        closing(dbapi.connect(uri, autocommit=True)) as theirs,
    ):
        _query(ours, f"USE {COLD}")
        peer = "ROAPI's memory table" if in_memory else "ROAPI"
        for name, sql, calls, limit in asked:
            cpu = server.cpu_seconds()
            sides = [_side(connection, sql, calls) for connection in (ours, theirs)]
            turns = in_turn(*sides, rounds=run.scale.rounds)
            yield Figure(
                f"{name} vs {peer} over ADBC",
                "ms",
                turns[0] * 1e3,
                turns[1] * 1e3,
                at_most(limit),
                turns.times(),
                server.usage(cpu),
            )


def _side(connection: Any, sql: str, calls: int) -> Callable[[], float]:
    def work() -> Any:
        return _query(connection, sql)

    return typical(work, calls) if calls > 1 else timed(work)


def _query(connection: Any, sql: str) -> Any:
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()
