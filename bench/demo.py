"""`make demo`: real flights go in, freeze, are corrected, and are queried as one table, hot rows and cold files alike.

make demo                                        a server of its own, gone afterwards
FROSTLINE_ROOT_PASSWORD=.. make demo             the server on the usual port, if it runs; the tables stay there
make demo ARGS='--uri grpc://.. --password ..'   that server and no other
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from adbc_driver_manager import Error
from rich.console import Console
from rich.table import Table

from bench.demo_data import NAMESPACE, correct, freeze, load, newest_job, stats
from bench.demo_queries import PANDAS_QUERIES, POLARS_QUERIES, DemoQuery
from bench.demo_server import DEFAULT_URI, PASSWORD_VARIABLE, Address, DemoFailed, running_server
from bench.flights import read_tables

STATS_SHOWN: Final = ("rows", "hot_rows", "cold_rows", "cold_files", "deleted_versions")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    asked = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        with running_server(asked.uri, asked.user, asked.password, asked.data) as address:
            _show(console, address)
    except (DemoFailed, Error, ModuleNotFoundError) as error:
        Console(stderr=True, highlight=False).print(f"demo: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.demo", description="Load real flights and query them.")
    parser.add_argument("--uri", help=f"server to use (default: {DEFAULT_URI} if it lets the demo in, else an own one)")
    parser.add_argument("--user", default="root", help="who to log in as (default: root)")
    parser.add_argument("--password", help=f"default: the environment's {PASSWORD_VARIABLE}")
    parser.add_argument("--data", type=Path, metavar="DIR", help="start an own server and keep its data here")
    return parser


def _show(console: Console, address: Address) -> None:
    console.print(f"[bold]Frostline[/bold] at {address.uri}" + (" (started for this demo)" if address.is_own else ""))
    tables = read_tables()
    with closing(address.connect()) as connection:
        before = newest_job(connection)
        console.print("\n[bold]1. Load[/bold] five tables through adbc_ingest: their rows are hot")
        load(connection, tables)
        _print_stats(console, stats(connection, tables))
        console.print("\n[bold]2. Freeze[/bold]: FLUSH ALL writes hot rows to Parquet")
        _print_rows(console, "finished flush jobs", freeze(connection, before).to_pylist())
        console.print("\n[bold]3. Change[/bold]: new rows are hot, old ones are marked deleted, no file is rewritten")
        _print_rows(console, None, [{"rows": n, "change": title} for (title, _), n in correct(connection)])
        _print_stats(console, stats(connection, tables))
        console.print("\n[bold]4. Query[/bold] hot and cold rows as one table")
        for each in PANDAS_QUERIES:
            _print_query(console, connection, each, "pandas")
        for each in POLARS_QUERIES:
            _print_query(console, connection, each, "polars")
    if not address.is_own:
        console.print(f"\nThe tables stay in namespace {NAMESPACE} of {address.uri}.")


def _print_query(console: Console, connection: Any, asked: DemoQuery, library: str) -> None:
    with closing(connection.cursor()) as cursor:
        started = time.perf_counter()
        cursor.execute(asked.sql)
        frame = cursor.fetch_df() if library == "pandas" else cursor.fetch_polars()
        took_ms = (time.perf_counter() - started) * 1000
    rows = frame.to_dict("records") if library == "pandas" else frame.to_dicts()
    _print_rows(console, f"{asked.title}  [dim]{library}, {took_ms:.0f} ms[/dim]", rows)


def _print_stats(console: Console, facts: Mapping[str, Mapping[str, int]]) -> None:
    rows = [{"table": name, **{key: values[key] for key in STATS_SHOWN}} for name, values in facts.items()]
    _print_rows(console, "SHOW STATS", rows)


def _print_rows(console: Console, title: str | None, rows: Iterable[Mapping[str, Any]]) -> None:
    if title is not None:  # not as the table's own title, which a narrow table would break into lines
        console.print(f"\n{title}")
    shown = Table(header_style="bold")
    for number, row in enumerate(rows):
        if number == 0:
            for name, value in row.items():
                shown.add_column(name, justify="right" if isinstance(value, int | float) else "left")
        shown.add_row(*(_cell(value) for value in row.values()))
    console.print(shown)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
