"""The figures of a whole run as the table in docs/benchmarks.md, missed goals first."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.table import HEADINGS, cells

PAGE: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- written by `make bench` -->"
END: Final = "<!-- end of what it writes -->"


def write_page(figures: Sequence[Figure], page: Path = PAGE) -> None:
    """Put the table in place of the one between BEGIN and END."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{page.name} has lost its {END}"
    page.write_text(f"{before}{BEGIN}\n{section(figures)}{END}{after}", encoding="utf-8")


def section(figures: Sequence[Figure]) -> str:
    """What the machine was, and the table."""
    missed = [figure for figure in figures if figure.holds is False]
    held = [figure for figure in figures if figure.holds]
    rest = [figure for figure in figures if figure.holds is None]
    told = f"{len(missed)} goals missed, {len(held)} held, {len(rest)} figures without one. {_machine()}\n\n"
    rows = [
        _row(["what", *HEADINGS[1:]]),
        _row(["---"] * len(HEADINGS)),
        *(_row(cells(each)) for each in (*missed, *held, *rest)),
    ]
    return told + "".join(rows)


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return (
        f"{os.cpu_count()} processors, {memory} GiB, {platform.system()}, Python {platform.python_version()}, "
        f"DataFusion {version('datafusion')}, pyarrow {version('pyarrow')}. "
        "A rate's goal is at least so much, a time's at most."
    )


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |\n"
