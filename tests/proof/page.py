"""Writes the page: misses first, then everything that was tried. The same figures give the same text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.proof import kills, soak
from tests.proof.faults import Fault, missed_first
from tests.proof.junit import Result, Results
from tests.proof.kills import Kills
from tests.proof.soak import Soak
from tests.proof.summaries import Summary, TakenOut, by_folder

_REPORT: Final = re.compile(r"\b(duckdb )?(\d{4,5})\b")
_HEAD: Final = Path(__file__).parent / "head.md"  # what no run changes


def page(
    faults: Sequence[Fault],
    results: Results,
    summaries: Sequence[Summary],
    taken_out: Sequence[TakenOut] = (),
    soaked: Soak | None = None,
    killed: Kills | None = None,
) -> str:
    parts = [*_misses(faults, results, summaries, soaked), *_faults(faults, results), *_taken(taken_out)]
    parts += [*_runs(summaries), *_lasting(soaked, killed)]
    return "\n".join([_HEAD.read_text(encoding="utf-8"), *parts]) + "\n"


def _misses(
    faults: Sequence[Fault], results: Results, summaries: Sequence[Summary], soaked: Soak | None
) -> Iterator[str]:
    yield "## What is not as it should be"
    missed = [
        f"- {fault.kind} `{fault.name}`, {fault.what}: `{fault.test}` {result.value}"
        for fault, result in missed_first(faults, results)
        if result is not Result.PASSED
    ]
    missed += [
        f"- {run.name}: {run.different} wrong answers, {run.undocumented} refusals that sql.md does not list."
        for run in summaries
        if not run.is_clean
    ]
    missed += [] if soaked is None else soak.misses(soaked)
    yield from missed or ["Nothing in this run."]
    yield ""


def _faults(faults: Sequence[Fault], results: Results) -> Iterator[str]:
    passed = sum(result is Result.PASSED for _, result in missed_first(faults, results))
    yield f"## The engine's known faults\n{len(faults)} faults, {passed} of them kept away in this run.\n"
    yield "| kind | fault | what comes wrong | reported | kept away by | test | in this run |\n" + "| --- " * 7 + "|"
    for fault, result in missed_first(faults, results):
        found = _REPORT.sub(_link, fault.upstream)
        test = f"`{fault.test}`"
        yield _row(fault.kind, f"`{fault.name}`", fault.what, found, fault.kept_by, test, result.value)
    yield ""


def _taken(taken_out: Sequence[TakenOut]) -> Iterator[str]:
    """Which seed finds each kind when its mending is taken out."""
    if not taken_out:
        return
    yield "## Each mending taken out\nWhat the random questions of a kind find when its mending is left out.\n"
    yield "| kind | seed | different | questions |\n" + "| --- " * 4 + "|"
    for one in taken_out:
        yield _row(one.kind, "**not found**" if one.seed is None else one.seed, one.different, one.made)
    yield ""


def _link(report: re.Match[str]) -> str:
    project = "duckdb/duckdb" if report[1] else "apache/datafusion"
    return f"[{report[0]}](https://github.com/{project}/issues/{report[2]})"


def _runs(summaries: Sequence[Summary]) -> Iterator[str]:
    yield "## Questions asked\n"
    yield (
        "| run | seed | minutes | made | comparable | equal | different | refused | not listed |\n" + "| --- " * 9 + "|"
    )
    for run in sorted(summaries, key=lambda run: run.is_clean):
        counts = (run.made, run.comparable, run.equal, run.different, run.refused, run.undocumented)
        yield _row(run.name, "-" if run.seed is None else run.seed, f"{run.minutes:.1f}", *(f"{n:,}" for n in counts))
    yield "\nRefused: Frostline gave an error. Not listed: of these, what [the SQL reference](sql.md) does not name."
    for run in summaries:
        if run.files:
            yield from _files(run)
        if run.classes:
            yield from _classes(run)


def _lasting(soaked: Soak | None, killed: Kills | None) -> Iterator[str]:
    if soaked is not None:
        yield ""
        yield from soak.section(soaked)
    if killed is not None:
        yield from kills.section(killed)


def _files(run: Summary) -> Iterator[str]:
    yield f"\n### {run.name}: by folder"
    yield (
        "| files | how many | right | wrong | refused | not listed | rest on a refused statement |\n"
        + "| --- " * 7
        + "|"
    )
    for name, counts in by_folder(run.files).items():
        kinds = ("files", "right", "wrong", "refused", "error", "follows")
        yield _row(name, *(f"{counts.get(kind, 0):,}" for kind in kinds))


def _classes(run: Summary) -> Iterator[str]:
    yield f"\n### {run.name}: why refused"
    yield "| SQLSTATE | listed | times | sentence | smallest statement |\n" + "| --- " * 5 + "|"
    for found in run.classes:
        listed = "yes" if found["kind"] == "refused" else "**no**"
        smallest = " ".join(found["smallest"].split())
        yield _row(found["sqlstate"], listed, found["times"], found["reason"], f"`{smallest[:160]}`")


def _row(*cells: object) -> str:
    """A pipe would begin another cell."""
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
