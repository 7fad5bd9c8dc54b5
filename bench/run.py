"""`make bench`: how near Frostline is to the parts it stands on. Ratios of one run, the two sides in turn.

A first set of rows: reading against DataFusion in this process over the server's own cold files, fetching and small
calls against a bare Flight server. Machines differ and are shared: quote the ratios, not the times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from datafusion import SessionConfig, SessionContext
from pyarrow import flight
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import tpch
from bench.demo_server import running_server
from bench.peers import bare_server

OUT: Final = Path(__file__).parent / "out"
FETCHED: Final = ["l_orderkey", "l_partkey", "l_extendedprice", "l_shipdate"]
REPEATS: Final = 5
COLD: Final = "all rows cold"
MIXED: Final = "0.1% updated, hot rows too"


@dataclass(frozen=True, slots=True)
class Row:
    """Median milliseconds of the two sides; `goal` is the largest ratio wanted, None = only told."""

    name: str
    ours: float
    theirs: float
    ratio: float
    goal: float | None
    holds: bool | None
    unit: str = "ms"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all rows; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description="Measure reading and small calls.")
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor (default: 1)")
    asked = parser.parse_args(arguments)
    OUT.mkdir(exist_ok=True)
    source = tpch.make_data(OUT / "data", asked.scale)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as folder:
        rows = _measure(source, Path(folder))
    console.print(_shown(rows))
    (OUT / "latest.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 0


def _measure(source: Path, folder: Path) -> list[Row]:
    with running_server(None, "root", None, folder) as address, closing(address.connect()) as connection:
        for table in track(tpch.TABLES, "loading", transient=True):
            tpch.load(connection, source, table)
        _settle(connection)
        beside = _datafusion(folder / "data" / "cold" / "public")
        with bare_server(source / "lineitem.parquet", FETCHED) as bare, connection.cursor() as cursor:
            rows = _reading(cursor, beside, COLD, goal=1.10)
            rows.append(_fetching(cursor, bare))
            rows += _small_calls(cursor, bare)
            cursor.execute("UPDATE lineitem SET l_quantity = l_quantity + 1 WHERE l_orderkey % 1000 = 3")
            return rows + _reading(cursor, beside, MIXED, goal=1.25)


def _reading(cursor: Any, beside: SessionContext, state: str, goal: float) -> list[Row]:
    pairs = {
        f"{name}, {state}": _pair(
            lambda sql=sql: _rows(cursor, sql),  # type: ignore[misc]
            lambda sql=sql: beside.sql(sql).to_arrow_table(),  # type: ignore[misc]
        )
        for name, sql in tpch.QUERIES.items()
    }
    rows = [_row(name, ours, theirs, goal=None) for name, (ours, theirs) in pairs.items()]
    total = _row(f"these queries together, {state}", sum(r.ours for r in rows), sum(r.theirs for r in rows), goal)
    return [*rows, total]


def _fetching(cursor: Any, bare: flight.FlightClient) -> Row:
    sql = f"SELECT {', '.join(FETCHED)} FROM lineitem"
    pair = _pair(lambda: _rows(cursor, sql), lambda: bare.do_get(flight.Ticket(b"table")).read_all())
    return _row(f"fetch lineitem x {len(FETCHED)} columns (theirs: bare Flight, from memory)", *pair, goal=1 / 0.7)


def _small_calls(cursor: Any, bare: flight.FlightClient) -> list[Row]:
    def bare_call() -> pa.Table:
        bare.get_flight_info(flight.FlightDescriptor.for_command(b"x"))
        return bare.do_get(flight.Ticket(b"row")).read_all()

    one = _pair(lambda: _rows(cursor, "SELECT 1"), bare_call, repeats=100)
    point = "SELECT o_orderkey, o_totalprice FROM orders WHERE o_orderkey = 12345"
    by_key = _pair(lambda: _rows(cursor, point), bare_call, repeats=50)
    return [
        _row("SELECT 1 (theirs: bare GetFlightInfo + DoGet)", *one, goal=2.0),
        _row("one cold row by value (theirs: bare GetFlightInfo + DoGet)", *by_key, goal=3.0),
    ]


def _pair(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, float]:
    """Median milliseconds of each, taken in turn after one unmeasured call."""
    ours(), theirs()
    pairs = [(_milliseconds(ours), _milliseconds(theirs)) for _ in range(repeats)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def _milliseconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _rows(cursor: Any, sql: str) -> pa.Table:
    cursor.execute(sql)
    return cursor.fetch_arrow_table()


def _settle(connection: Any) -> None:
    """Everything cold before the first measurement."""
    with connection.cursor() as cursor:
        cursor.execute("FLUSH ALL")
        for job in cursor.fetchall():
            cursor.execute(f"WAIT FOR JOB '{job[0]}'")
            cursor.fetchall()


def _datafusion(cold: Path) -> SessionContext:
    """The engine alone over the same files, with the server's own settings for reading them."""
    config = SessionConfig({"datafusion.execution.parquet.schema_force_view_types": "false"})
    context = SessionContext(config.with_target_partitions(4).with_batch_size(32_768))
    for table in tpch.TABLES:
        context.register_parquet(table, str(cold / table))
    return context


def _row(name: str, ours: float, theirs: float, goal: float | None) -> Row:
    ratio = round(ours / theirs, 2)
    return Row(name, round(ours, 2), round(theirs, 2), ratio, goal, None if goal is None else ratio <= round(goal, 2))


def _shown(rows: list[Row]) -> Table:
    table = Table(title="Frostline over ADBC against the parts it stands on, median ms", title_justify="left")
    table.add_column("what")
    for heading in ("ours", "theirs", "ratio", "goal", "holds"):
        table.add_column(heading, justify="right")
    for row in rows:
        goal = "" if row.goal is None else f"<= {row.goal:.2f}"
        holds = "" if row.holds is None else "yes" if row.holds else "no"
        table.add_row(row.name, f"{row.ours:,.1f}", f"{row.theirs:,.1f}", f"{row.ratio:.2f}", goal, holds)
    return table


if __name__ == "__main__":
    raise SystemExit(main())
