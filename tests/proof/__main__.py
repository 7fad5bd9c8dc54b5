"""Write docs/proof.md (`make proof`), or list the tests that it needs: `python -m tests.proof --tests`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.proof import junit, kills, soak, summaries
from tests.proof.faults import known_faults, nodes
from tests.proof.page import page
from tests.support.server_process import REPOSITORY


def main() -> int:
    given = arguments().parse_args()
    try:
        faults = known_faults()
    except ModuleNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if given.tests:
        print(*nodes(faults), sep="\n")
        return 0
    results = junit.read(given.folder / "faults.xml")
    runs, taken_out = summaries.read_all(given.folder), summaries.read_taken_out(given.folder)
    soaked, killed = soak.read(given.folder), kills.read(given.folder)
    if soaked is not None:
        drawing = given.out.parent / soak.DRAWING
        drawing.parent.mkdir(exist_ok=True)
        drawing.write_text(soak.drawing(soaked), encoding="utf-8")
    given.out.write_text(page(faults, results, runs, taken_out, soaked, killed), encoding="utf-8")
    return 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--tests", action="store_true", help="print the pytest nodes of the faults and do nothing else")
    parser.add_argument(
        "--folder", type=Path, default=REPOSITORY / "build" / "proof", help="faults.xml and the runs' summaries"
    )
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "proof.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
