"""`python -m tests.second_opinion` asks Frostline and DuckDB the same random questions and reports where they differ.

python -m tests.second_opinion --minutes 5                     # all kinds, a seed of its own
python -m tests.second_opinion --seed 7 --rounds 1 --kinds K4  # one round again
python -m tests.second_opinion --minutes 1 --without K1        # what the mending of K1 is good for
python -m tests.second_opinion --each-without                  # .. and of each in turn: the seed that finds it
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from random import Random

from tests.second_opinion.grammars import KINDS, checked_kinds
from tests.second_opinion.judging import Ruling
from tests.second_opinion.mended import NoMendings
from tests.second_opinion.running import Found, Tally, run, until
from tests.second_opinion.taken_out import TakenOut, each_taken_out


def main() -> int:
    given = _arguments()
    seed = given.seed if given.seed is not None else Random().randrange(10**9)
    print(f"seed {seed}", flush=True)
    begun = time.monotonic()
    if given.each_without:
        return _each_without(seed, given.json)
    try:
        kinds = checked_kinds(given.kinds)
        without = frozenset(filter(None, given.without.split(",")))
        tally = run(seed, kinds, without, until(given.minutes, given.rounds), _show)
    except (ValueError, NoMendings) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _sum_up(tally, seed, time.monotonic() - begun)
    if given.json:
        _write(Path(given.json), tally, seed, time.monotonic() - begun)
    return 1 if tally.rulings[Ruling.DIFFERENT] else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.second_opinion")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, help="instead of minutes")
    parser.add_argument("--seed", type=int, help="of the first round; each further one adds 1")
    parser.add_argument("--kinds", default="", help=f"grammars, with commas: {', '.join(KINDS)}")
    parser.add_argument("--without", default="", help="kinds of faults whose mending is left out")
    parser.add_argument("--each-without", action="store_true", help="take each mending out until its kind is found")
    parser.add_argument("--json", help="a file for the summary, as `make proof` reads it")
    return parser.parse_args()


def _each_without(seed: int, file: str | None) -> int:
    all_: list[TakenOut] = []
    for one in each_taken_out(seed):
        all_.append(one)
        found = "not found" if one.seed is None else f"found with seed {one.seed}"
        print(f"without {one.kind}: {found}, {one.different} different, {one.made} questions", flush=True)
    if file:
        Path(file).write_text(json.dumps([dataclasses.asdict(one) for one in all_]), encoding="utf-8")
    return 1 if any(one.seed is None for one in all_) else 0


def _write(path: Path, tally: Tally, seed: int, seconds: float) -> None:
    summary = {
        "seed": seed,
        "minutes": round(seconds / 60, 1),
        "made": tally.made,
        "comparable": tally.comparable,
        "equal": tally.rulings[Ruling.EQUAL],
        "refused": tally.rulings[Ruling.REFUSED],
        "different": tally.rulings[Ruling.DIFFERENT],
    }
    path.write_text(json.dumps(summary), encoding="utf-8")


def _show(found: Found) -> None:
    print(f"\n{found}", flush=True)


def _sum_up(tally: Tally, seed: int, seconds: float) -> None:
    print(f"\nseed {seed}, {seconds:.0f} s: {tally.made} made, {tally.comparable} comparable, ", end="")
    print(f"{tally.rulings[Ruling.EQUAL]} equal in all three states, {tally.comparable / seconds:.0f} a second")
    for ruling in (Ruling.REFUSED, Ruling.EXCUSED, Ruling.NOT_COMPARABLE):
        print(f"{ruling}: {tally.rulings[ruling]}")
        for (of, reason), count in tally.reasons.most_common():
            if of is ruling:
                print(f"  {count:6} {reason}")
    print(f"different: {tally.rulings[Ruling.DIFFERENT]}")
    for (kind, sort), count in sorted(tally.different.items()):
        print(f"  {count:6} of {tally.made_by_kind[kind]} {kind}: {sort}")


if __name__ == "__main__":
    sys.exit(main())
