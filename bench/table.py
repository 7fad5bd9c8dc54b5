"""The figures as one table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Usage

USAGE_HEADINGS: Final = ("CPU s", "RSS MiB", "disk MiB")
HEADINGS: Final = ("", "ours", "theirs", "unit", "ratio", "of rounds", "goal", "holds", *USAGE_HEADINGS)
_COLOURS: Final = {"yes": "[green]yes[/green]", "no": "[red]no[/red]"}


def print_figures(console: Console, figures: Sequence[Figure]) -> None:
    """One line a figure; beside the times what the server used: CPU, RSS now and at most, bytes on disk."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("", "unit", "goal") else "right", no_wrap=bool(heading))
    for figure in figures:
        table.add_row(*(_COLOURS.get(cell, cell) for cell in cells(figure)))
    console.print(table)


def in_words(figure: Figure) -> str:
    """One line, for while the next one is measured."""
    theirs = "" if figure.theirs is None else f" to {number(figure.theirs)}"
    ratio = (
        ""
        if figure.ratio is None
        else f", {figure.ratio:.2f}x ({figure.spread})"
        if figure.spread
        else f", {figure.ratio:.2f}x"
    )
    return f"{figure.name}: {number(figure.ours)}{theirs} {figure.unit}{ratio}"


def cells(figure: Figure) -> tuple[str, ...]:
    """As text, under HEADINGS."""
    return (
        figure.name,
        number(figure.ours),
        "" if figure.theirs is None else number(figure.theirs),
        figure.unit,
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        figure.spread,
        "" if figure.goal is None else str(figure.goal),
        {True: "yes", False: "no", None: ""}[figure.holds],
        *usage_cells(figure.usage),
    )


def usage_cells(usage: Usage | None) -> tuple[str, str, str]:
    """What the server used, under USAGE_HEADINGS."""
    if usage is None:
        return ("", "", "")
    rss = f"{usage.rss_bytes >> 20}/{usage.rss_bytes_max >> 20}"
    return f"{usage.cpu_seconds:.1f}", rss, f"{usage.disk_bytes >> 20}"


def number(value: float) -> str:
    """Three digits are all that a benchmark knows."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
