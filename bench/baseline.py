"""The regression guard: ratios of a quick run against those last committed.

Only ratios are compared, and only with a wide margin: machines differ, and short runs vary by about a third.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.figures import Figure

BASELINE: Final = Path(__file__).parent / "baseline-quick.json"
WORSE_MARGIN: Final = 1.5


def write(figures: Sequence[Figure]) -> None:
    """Make these figures the ones to compare with."""
    ratios = {figure.name: figure.record()["ratio"] for figure in figures if _is_guarded(figure)}
    BASELINE.write_text(json.dumps(ratios, indent=1) + "\n", encoding="utf-8")


def worse(figures: Sequence[Figure]) -> Iterator[str]:
    """A sentence for each figure that got clearly worse."""
    known: dict[str, float] = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    for figure in figures:
        before, ratio = known.get(figure.name), figure.ratio
        if before is None or ratio is None or figure.goal is None:
            continue
        change = ratio / before if figure.goal.is_upper else before / ratio
        if change > WORSE_MARGIN:
            yield f"{figure.name}: the ratio was {before:g} and is {ratio:.3g}, {change:.1f} times worse"


def _is_guarded(figure: Figure) -> bool:
    return figure.goal is not None and figure.ratio is not None
