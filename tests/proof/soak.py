"""A soak's series as a drawing and in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.soak.sample import Sample
from tests.soak.verdict import (
    GAP_SECONDS_MAX,
    SETTLED_SECONDS,
    SHORTEST_SECONDS,
    TOLERANCE_SHARE,
    WINDOW_SECONDS,
    Mark,
    is_long_enough,
    longest_gap_seconds,
    marks,
)

SERIES: Final = "soak.jsonl"
DRAWING: Final = Path("proof") / "soak.svg"  # beside the page

WORDS: Final = {
    "rss_mib": "resident memory, MiB",
    "threads": "threads",
    "handles": "file handles",
    "disk_bytes": "bytes on disk",
    "row_store_bytes": "of them the row store's",
    "cold_files": "cold files",
    "deleted_versions": "deleted versions",
    "ledger_jobs": "jobs in the ledger",
    "jobs_waiting": "jobs waiting or running",
}
_WIDTH, _HEIGHT, _COLUMNS = 400, 130, 2  # of a panel, and panels in a row
_LEFT, _TOP, _RIGHT, _BOTTOM = 12, 26, 12, 20  # around its curve


@dataclass(frozen=True, slots=True)
class Soak:
    """One run, at least one sample."""

    samples: Sequence[Sample]

    @property
    def minutes(self) -> float:
        return self.samples[-1].seconds / 60

    @property
    def marks(self) -> list[Mark]:
        return marks(self.samples)


def read(folder: Path) -> Soak | None:
    """None where there was no soak."""
    path = folder / SERIES
    if not path.exists():
        return None
    samples = [Sample(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return Soak(samples) if samples else None


def misses(soak: Soak) -> Iterator[str]:
    """What says nothing, and what grew though it must not."""
    if not is_long_enough(soak.samples):
        yield f"- soak: {soak.minutes:.0f} minutes are too short to say anything; {SHORTEST_SECONDS // 60} are needed."
        return
    gap = longest_gap_seconds(soak.samples)
    if gap > GAP_SECONDS_MAX:
        yield f"- soak: it stood still for {gap:,} seconds."
    for mark in soak.marks:
        if not mark.is_flat:
            grown = f"{mark.settled:,.0f} at 10 minutes, {mark.end:,.0f} at the end ({mark.more_share:+.1%})"
            yield f"- soak: {WORDS[mark.name]} grew: {grown}; {TOLERANCE_SHARE:.0%} are allowed."


def section(soak: Soak) -> Iterator[str]:
    """Those that grew first."""
    statements = soak.samples[-1].statements
    yield f"## A soak of {soak.minutes:.0f} minutes\n"
    yield (
        f"{statements:,} statements in {soak.minutes:.0f} minutes. At 10 minutes and at the end: the middle value of "
        f"{WINDOW_SECONDS // 60} minutes' samples. Memory, threads and handles may have grown by "
        f"{TOLERANCE_SHARE:.0%}; the rest goes up and down with flushes and compactions.\n"
    )
    yield f"![What the server held, minute by minute]({DRAWING.as_posix()})\n"
    yield "| | at 10 minutes | at the end | more | most |\n" + "| --- " * 5 + "|"
    for mark in sorted(soak.marks, key=lambda mark: mark.is_flat):
        more = f"{mark.more_share:+.1%}" if mark.is_flat else f"**{mark.more_share:+.1%}**"
        yield f"| {WORDS[mark.name]} | {mark.settled:,.0f} | {mark.end:,.0f} | {more} | {mark.most:,.0f} |"
    yield ""


def drawing(soak: Soak) -> str:
    """An SVG: a panel for each figure, from nought to the most there was."""
    rows = -(-len(WORDS) // _COLUMNS)
    width, height = _WIDTH * _COLUMNS, _HEIGHT * rows
    panels = "\n".join(
        f'<g transform="translate({_WIDTH * (n % _COLUMNS)},{_HEIGHT * (n // _COLUMNS)})">{_panel(soak, name)}</g>'
        for n, name in enumerate(WORDS)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="{width}" height="{height}" fill="white"/>\n'
        f"{panels}\n</svg>\n"
    )


def _panel(soak: Soak, name: str) -> str:
    values = [getattr(sample, name) for sample in soak.samples]
    most, last = max(values) or 1, max(soak.samples[-1].seconds, 1)
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(seconds: float) -> float:
        return round(_LEFT + wide * seconds / last, 1)

    points = " ".join(
        f"{x(sample.seconds)},{round(_TOP + high * (1 - value / most), 1)}"
        for sample, value in zip(soak.samples, values, strict=True)
    )
    floor = _TOP + high
    settled = x(min(SETTLED_SECONDS, last))
    return (
        f'<text x="{_LEFT}" y="16">{WORDS[name]} (at most {most:,})</text>'
        f'<path d="M{_LEFT},{_TOP}V{floor}H{_LEFT + wide}" fill="none" stroke="#999"/>'
        f'<path d="M{settled},{_TOP}V{floor}" stroke="#bbb" stroke-dasharray="3"/>'
        f'<text x="{_LEFT}" y="{floor + 13}">0</text>'
        f'<text x="{settled}" y="{floor + 13}" text-anchor="middle">10</text>'
        f'<text x="{_LEFT + wide}" y="{floor + 13}" text-anchor="end">{soak.minutes:.0f} min</text>'
        f'<polyline points="{points}" fill="none" stroke="#1f6fb4" stroke-width="1.2"/>'
    )
