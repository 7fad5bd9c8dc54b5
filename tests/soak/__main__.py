"""Run a soak and write what the server held: `python -m tests.soak --minutes 60` (`make soak`).

One line of JSON each ten seconds. The exit code is 1 when the server held more at the end than after ten minutes, by
more than `verdict` allows, and 2 when the run was too short to say so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Final

from tests.soak.load import Load
from tests.soak.sample import Sample, sampled
from tests.soak.verdict import SHORTEST_SECONDS, is_long_enough, marks
from tests.support.server_process import REPOSITORY, ServerProcess

SAMPLE_SECONDS: Final = 10.0
# The ledger keeps 20,000 finished jobs by itself, which takes hours: till then it grows, and so do reads of it.
SETTINGS: Final = "[jobs]\nfinished_kept_max = 600\njob_cleanup_interval_seconds = 30.0\n"
OUT: Final = REPOSITORY / "build" / "proof" / "soak.jsonl"


def main() -> int:
    given = arguments().parse_args()
    seed = given.seed if given.seed is not None else Random().randrange(10**9)
    with tempfile.TemporaryDirectory(prefix="soak-", dir=given.folder) as folder:
        samples = soaked(Path(folder), seed, given.minutes * 60, given.out)
    if not is_long_enough(samples):
        print(f"too short to say anything: {SHORTEST_SECONDS // 60} minutes are needed")
        return 2
    found = marks(samples)
    for mark in found:
        print(f"{mark.name}: {mark.settled:g} at 10 min, {mark.end:g} at the end ({mark.more_share:+.1%})")
    return 0 if all(mark.is_flat for mark in found) else 1


def soaked(folder: Path, seed: int, seconds: float, out: Path) -> list[Sample]:
    """The series of one run, which is in `out` while it goes on."""
    out.parent.mkdir(parents=True, exist_ok=True)
    samples: list[Sample] = []
    config = folder / "soak.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    with (
        out.open("w", encoding="utf-8") as lines,
        ServerProcess(folder / "data", "--config", str(config), is_forked=False) as server,
    ):
        print(f"seed {seed}", flush=True)
        load = Load(server, seed)
        load.create()
        begun = time.monotonic()
        with load.running(), server.connect() as connection, connection.cursor() as cursor:
            while (passed := time.monotonic() - begun) < seconds:
                samples.append(sampled(server, cursor, passed, sum(load.done.values())))
                print(json.dumps(asdict(samples[-1])), file=lines, flush=True)
                time.sleep(max(0.0, SAMPLE_SECONDS - (time.monotonic() - begun - passed)))
        print(load.done, *load.errors, sep="\n")
    return samples


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--folder", type=Path, help="where the data directory is made; the system's temporary one")
    parser.add_argument("--out", type=Path, default=OUT)
    return parser


if __name__ == "__main__":
    sys.exit(main())
