"""One page of plots, drawn by hand as SVG: it needs nothing from anywhere to be read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from bench.figures import Figure, Of, Point
from bench.table import USAGE_HEADINGS, number, usage_cells

_STYLE: Final = """
body { font: 14px/1.4 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; color: #222; background: #fff }
h2 { font-size: 16px; margin: 2em 0 .3em } td, th { padding: 2px 10px; text-align: right } svg { overflow: visible }
td:first-child, th:first-child { text-align: left } .yes { color: #197a3d } .no { color: #b3261e }
text { font: 12px system-ui, sans-serif; fill: #444 } .ours { fill: #2a6fb0 } .theirs { fill: #b9c4cf }
.line { fill: none; stroke: #2a6fb0; stroke-width: 2 } .linear { stroke: #b9c4cf; stroke-dasharray: 4 3; fill: none }
.axis { stroke: #999 } .goal { stroke: #b3261e; stroke-width: 2 }
"""
_WIDTH: Final = 960
_BAR_HEIGHT: Final = 22
_LABEL_WIDTH: Final = 470
_RATIO_MIN, _RATIO_MAX = 0.1, 10.0  # what the ratio bars show, on a logarithmic scale


def write_report(figures: Sequence[Figure], path: Path) -> None:
    """Write the page. A figure whose points are labelled by sizes grows; any other is a set of bars."""
    parts = [_table(figures), "<h2>Ratios, ours to theirs, with their goals (log scale)</h2>", _ratios(figures)]
    for figure in figures:
        if figure.points:
            draw = _growth if all(_is_size(point.label) for point in figure.points) else _pairs
            parts += [f"<h2>{escape(figure.name)} ({escape(figure.unit)})</h2>", draw(figure.points)]
    page = f"<!doctype html><meta charset='utf-8'><title>Frostline, measured</title><style>{_STYLE}</style>"
    path.write_text(f"{page}<h1>Frostline, measured</h1>{''.join(parts)}\n", encoding="utf-8")


def _is_size(label: str) -> bool:
    return label.replace(",", "").isdecimal() and label != "0"


def _table(figures: Sequence[Figure]) -> str:
    rows = []
    for figure in figures:
        mark = {True: "yes", False: "no", None: ""}[figure.holds]
        cells = (
            escape(figure.name),
            number(figure.ours),
            "" if figure.theirs is None else number(figure.theirs),
            escape(figure.unit),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.spread,
            escape(str(figure.goal or "")),
        )
        data = "".join(f"<td>{cell}</td>" for cell in cells)
        used = "".join(f"<td>{cell}</td>" for cell in usage_cells(figure.usage))
        rows.append(f"<tr>{data}<td class='{mark}'>{mark}</td>{used}</tr>")
    names = ("", "ours", "theirs", "unit", "ratio", "of rounds", "goal", "holds", *USAGE_HEADINGS)
    heads = "".join(f"<th>{head}</th>" for head in names)
    return f"<table><tr>{heads}</tr>{''.join(rows)}</table>"


def _ratios(figures: Sequence[Figure]) -> str:
    shown = [f for f in figures if f.ratio is not None and f.goal is not None and f.goal.of is Of.RATIO]
    return _svg(len(shown) * _BAR_HEIGHT, (part for row, figure in enumerate(shown) for part in _ratio(row, figure)))


def _ratio(row: int, figure: Figure) -> Iterator[str]:
    assert figure.ratio is not None
    assert figure.goal is not None
    top, one = row * _BAR_HEIGHT, _ratio_x(1.0)
    x, goal = _ratio_x(figure.ratio), _ratio_x(figure.goal.limit)
    yield f"<text x='0' y='{top + 14}'>{escape(figure.name)}</text>"
    yield f"<rect class='ours' x='{min(x, one):.1f}' y='{top + 3}' width='{abs(x - one):.1f}' height='14'/>"
    yield f"<line class='axis' x1='{one:.1f}' x2='{one:.1f}' y1='{top}' y2='{top + _BAR_HEIGHT}'/>"
    yield f"<line class='goal' x1='{goal:.1f}' x2='{goal:.1f}' y1='{top + 1}' y2='{top + 19}'/>"
    yield f"<text x='{max(x, one, goal) + 6:.1f}' y='{top + 14}'>{figure.ratio:.2f}</text>"


def _ratio_x(ratio: float) -> float:
    kept = min(max(ratio, _RATIO_MIN), _RATIO_MAX)
    share = math.log(kept / _RATIO_MIN) / math.log(_RATIO_MAX / _RATIO_MIN)
    return _LABEL_WIDTH + share * (_WIDTH - _LABEL_WIDTH - 60)


def _pairs(points: Sequence[Point]) -> str:
    """Upright bars, two a label."""
    top = max(max(p.ours, p.theirs or 0.0) for p in points)
    step, height = _WIDTH / len(points), 160

    def bars() -> Iterator[str]:
        for place, point in enumerate(points):
            for kind, value, offset in (("ours", point.ours, 0.1), ("theirs", point.theirs or 0.0, 0.5)):
                tall = value / top * height
                x, y = (place + offset) * step, height - tall
                yield f"<rect class='{kind}' x='{x:.1f}' y='{y:.1f}' width='{step * 0.38:.1f}' height='{tall:.1f}'/>"
            yield f"<text x='{place * step + 4:.1f}' y='{height + 16}'>{escape(point.label)}</text>"
        yield f"<text x='0' y='-6'>blue: ours, grey: theirs; the tallest is {number(top)}</text>"

    return _svg(height + 40, bars())


def _growth(points: Sequence[Point]) -> str:
    """A line through the points, both axes from zero; dashed: what linear growth from the first would be."""
    sizes = [float(p.label.replace(",", "")) for p in points]
    width, height = 420.0, 160.0
    linear = points[0].ours * sizes[-1] / sizes[0]
    top = max(p.ours for p in points) * 1.1

    def at(size: float, value: float) -> str:
        return f"{size / sizes[-1] * width:.1f},{height - value / top * height:.1f}"

    line = " ".join(at(size, p.ours) for size, p in zip(sizes, points, strict=True))
    end = min(1.0, top / linear)  # the dashed line leaves the picture where it is higher
    parts = [
        f"<line class='axis' x1='0' x2='{width}' y1='{height}' y2='{height}'/>",
        f"<polyline class='linear' points='{at(0, 0)} {at(sizes[-1] * end, linear * end)}'/>",
        f"<polyline class='line' points='{line}'/>",
    ]
    for size, point in zip(sizes, points, strict=True):
        x, y = at(size, point.ours).split(",")
        parts.append(f"<circle class='ours' cx='{x}' cy='{y}' r='4'/>")
        parts.append(f"<text x='{x}' y='{float(y) - 8:.1f}'>{number(point.ours)}</text>")
    parts.append(f"<text x='0' y='{height + 16}'>up to {points[-1].label}</text>")
    return _svg(int(height) + 40, parts)


def _svg(height: int, parts: Iterator[str] | Sequence[str]) -> str:
    return (
        f"<svg width='{_WIDTH}' height='{height}' role='img'><g transform='translate(0 14)'>{''.join(parts)}</g></svg>"
    )
