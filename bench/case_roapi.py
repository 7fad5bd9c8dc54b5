"""ROAPI, a server in Rust over the same engine: four kinds of query over the wire, same client, same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """Both through ADBC. ROAPI runs a query when it is prepared; the whole exchange counts on both sides."""
    if run.roapi is None:
        return
    tables = {table: f"{server.data}/cold/{COLD}/{table}/" for table in ("orders", "lineitem")}
    with (
        roapi(run.roapi, tables, run.data) as uri,
        closing(server.connect()) as ours,
        closing(dbapi.connect(uri, autocommit=True)) as theirs,
    ):
        _query(ours, f"USE {COLD}")
        scan = FETCHED.replace(f"{COLD}.", "")
        for name, sql, calls in (
            ("select 1", "SELECT 1", run.scale.calls),
            ("point read", POINT, max(5, run.scale.calls // 10)),
            ("GROUP BY over lineitem", GROUPED, 1),
            ("scan of lineitem, 4 columns", scan, 1),
        ):
            cpu = server.cpu_seconds()
            sides = [_side(connection, sql, calls) for connection in (ours, theirs)]
            milliseconds = [each * 1e3 for each in in_turn(*sides, rounds=run.scale.rounds)]
            usage = server.usage(cpu)
            yield Figure(
                f"{name} vs ROAPI over ADBC", "ms", milliseconds[0], milliseconds[1], goal=at_most(1), usage=usage
            )


def _side(connection: Any, sql: str, calls: int) -> Callable[[], float]:
    def work() -> Any:
        return _query(connection, sql)

    return typical(work, calls) if calls > 1 else timed(work)


def _query(connection: Any, sql: str) -> Any:
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()
