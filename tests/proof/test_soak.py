"""A soak and a loop of kills are shown with their figures, and what grew is a miss."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

from tests.proof import kills, soak
from tests.proof.junit import Results
from tests.proof.page import page
from tests.proof.soak import Soak
from tests.soak.samples import FIRST


def soaked(**at_end: int) -> Soak:
    """An hour, flat but for what is given, which it has from half an hour on."""
    return Soak([replace(FIRST, seconds=s, statements=s, **(at_end if s > 1800 else {})) for s in range(0, 3610, 10)])


def test_a_flat_soak_is_shown_and_is_no_miss():
    text = page([], Results({}), [], (), soaked())
    assert "## What is not as it should be\nNothing in this run." in text
    assert "## A soak of 60 minutes\n\n3,600 statements" in text
    assert "![What the server held, minute by minute](proof/soak.svg)" in text
    assert "| resident memory, MiB | 300 | 300 | +0.0% | 300 |" in text


def test_what_grew_is_told_first():
    text = page([], Results({}), [], (), soaked(handles=90, cold_files=400))
    assert "- soak: file handles grew: 70 at 10 minutes, 90 at the end (+28.6%); 5% are allowed.\n" in text
    rows = [line for line in text.splitlines() if line.startswith("| ") and "%" in line]
    assert rows[0] == "| file handles | 70 | 90 | **+28.6%** | 90 |"
    assert "| cold files | 10 | 400 | +3900.0% | 400 |" in rows


def test_a_run_that_is_too_short_or_stood_still_is_a_miss():
    short = Soak(soaked().samples[:100])
    assert "- soak: 16 minutes are too short to say anything; 20 are needed.\n" in page([], Results({}), [], (), short)
    halted = Soak([sample for sample in soaked().samples if not 1200 < sample.seconds < 1800])
    assert "- soak: it stood still for 600 seconds.\n" in page([], Results({}), [], (), halted)


def test_the_series_is_read_as_it_was_written(tmp_path: Path):
    run = soaked(threads=99)
    lines = "".join(json.dumps(asdict(sample)) + "\n" for sample in run.samples)
    (tmp_path / soak.SERIES).write_text(lines)
    assert soak.read(tmp_path) == run
    assert soak.read(tmp_path / "elsewhere") is None


def test_the_drawing_has_a_curve_for_each_figure():
    drawn = ElementTree.fromstring(soak.drawing(soaked(rss_mib=600)))  # noqa: S314
    curves = list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))
    assert len(curves) == len(soak.WORDS)
    [memory] = curves[:1]
    points = [tuple(map(float, point.split(","))) for point in memory.get("points", "").split()]
    assert len(points) == 361
    assert points[0][1] - points[-1][1] == (130 - 26 - 20) / 2  # half of the height of a panel's curve


def test_the_last_loop_of_kills_is_shown(tmp_path: Path):
    runs = [{"seed": n, "deaths": {"time": n, "point": 2, "start": 3}, "statements": 4000} for n in (1, 5)]
    (tmp_path / kills.FIGURES).write_text("".join(json.dumps(run) + "\n" for run in runs))
    text = page([], Results({}), [], killed=kills.read(tmp_path))
    assert "killed 10 times (5 at any time, 2 at a fail point, 3 while it started)" in text
    assert "of 4,000 acknowledged statements 0 rows were lost and 0 doubled" in text
    assert kills.read(tmp_path / "elsewhere") is None
