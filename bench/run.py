"""`make bench`: how near Frostline comes to the parts it stands on. `make bench-quick`: the same, small, in a minute.

Prints a line for each figure and at the end one table; writes bench/out/latest.json (quick.json, or part.json of some
cases) and bench/out/report.html as they grow, and after a whole run the table in docs/benchmarks.md. The quick run
compares its ratios with bench/baseline-quick.json and ends with 1 when one got clearly worse.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import baseline
from bench.case_backup import backup_and_restore
from bench.case_bulk import bulk_ingest, bulk_ingest_large
from bench.case_dashboard import dashboard
from bench.case_fetch import four_columns
from bench.case_fresh import fresh_group_by, many_files
from bench.case_growth import growth
from bench.case_keys import keyed_ingest, upsert
from bench.case_live import live_queries
from bench.case_open_streams import open_streams
from bench.case_roapi import against_roapi
from bench.case_small_reads import short_reads
from bench.case_small_writes import one_row_inserts
from bench.case_storage import cold_in_s3, flush_and_compact
from bench.case_streams import stream_events, stream_eviction
from bench.case_tpch import all_cold, partly_hot
from bench.case_users import many_users
from bench.figures import Figure
from bench.page import write_page
from bench.processes import Server, frostline
from bench.report import write_report
from bench.scale import FULL, QUICK, Run
from bench.table import in_words, print_figures
from bench.tpch_data import load, tpch_files

OUT: Final = Path(__file__).parent / "out"
PIPE_WIDTH: Final = 170  # a name broken into five lines can't be read
TPCH_CASES: Final[tuple[Callable[[Run, Server], Iterator[Figure]], ...]] = (
    all_cold,
    partly_hot,
    four_columns,
    against_roapi,
)
CASES: Final[tuple[Callable[[Run], Iterator[Figure]], ...]] = (
    bulk_ingest,
    keyed_ingest,
    upsert,
    one_row_inserts,
    open_streams,
    stream_events,
    stream_eviction,
    short_reads,
    dashboard,
    fresh_group_by,
    many_files,
    backup_and_restore,
    growth,
    live_queries,
    many_users,
    flush_and_compact,
    cold_in_s3,
)
# Not for every minute: they start servers by the dozen, or hold a thousand connections.
FULL_ONLY: Final = frozenset({many_users.__name__, live_queries.__name__})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    asked = _parser().parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    start = time.perf_counter()
    name = "part" if asked.only else "quick" if asked.quick else "latest"
    figures = _measure(_run(asked), asked, console, name)
    print_figures(console, figures)
    seconds = time.perf_counter() - start
    console.print(f"{seconds:.0f} s; figures in bench/out/{name}.json, plots in bench/out/report.html")
    if name == "latest":
        write_page(figures)
    return _compare(figures, asked, console) if asked.quick and not asked.only else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description="Measure Frostline against its parts.")
    parser.add_argument("--quick", action="store_true", help="small, within a minute; compares with the baseline")
    parser.add_argument("--sf5", action="store_true", help="also load lineitem SF5, for the server's memory")
    parser.add_argument("--only", metavar="NAME", help="only cases whose function's name has NAME in it")
    parser.add_argument("--roapi", type=Path, metavar="FILE", help="the program, if it is not beside this Python")
    parser.add_argument("--write-baseline", action="store_true", help="with --quick: make this run the baseline")
    return parser


def _run(asked: argparse.Namespace) -> Run:
    beside = Path(sys.executable).with_name("roapi")
    found = asked.roapi or (beside if beside.exists() else shutil.which("roapi"))
    data = OUT / "data"
    data.mkdir(parents=True, exist_ok=True)
    return Run(QUICK if asked.quick else FULL, data, Path(found) if found else None)


def _measure(run: Run, asked: argparse.Namespace, console: Console, name: str) -> list[Figure]:
    """Each figure is on the disk before the next is measured: a run that is cut off keeps what it found."""
    figures: list[Figure] = []
    start = time.perf_counter()
    for case in _cases(run, asked):
        for figure in case:
            figures.append(figure)
            _write(figures, name)
            console.print(f"{time.perf_counter() - start:5.0f} s  {in_words(figure)}", markup=False)
    if run.roapi is None:
        console.print("ROAPI is not installed, so nothing is compared with it (pip install roapi)")
    return figures


def _cases(run: Run, asked: argparse.Namespace) -> Iterator[Iterator[Figure]]:
    tpch = [case for case in TPCH_CASES if _is_asked(case, asked)]
    if tpch:
        with frostline(run.data / "server") as server:
            load(server, tpch_files(run.data, run.scale.tpch_factor))
            yield from (case(run, server) for case in tpch)
    yield from (case(run) for case in CASES if _is_asked(case, asked))
    if asked.sf5:
        yield bulk_ingest_large(run)


def _is_asked(case: Callable[..., Iterator[Figure]], asked: argparse.Namespace) -> bool:
    if asked.only is None:
        return not (asked.quick and case.__name__ in FULL_ONLY)
    return asked.only in case.__name__


def _write(figures: Sequence[Figure], name: str) -> None:
    records = [figure.record() for figure in figures]
    (OUT / f"{name}.json").write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    write_report(figures, OUT / "report.html")


def _compare(figures: Sequence[Figure], asked: argparse.Namespace, console: Console) -> int:
    if asked.write_baseline:
        baseline.write(figures)
        return 0
    found = list(baseline.worse(figures))
    for sentence in found:
        console.print(f"[red]worse[/red] {sentence}")
    if not found:
        console.print("nothing got worse than the committed figures")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
