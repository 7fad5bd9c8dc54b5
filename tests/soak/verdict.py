"""Whether a server held more at the end of a soak than after ten minutes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from tests.soak.sample import Sample

SETTLED_SECONDS: Final = 600  # by then caches are full and every table has the rows that it will have
WINDOW_SECONDS: Final = 300  # of which the middle value counts: threads come and go with calls, tables with purges
SHORTEST_SECONDS: Final = SETTLED_SECONDS + 2 * WINDOW_SECONDS  # of a run that says anything
GAP_SECONDS_MAX: Final = 60  # between two samples: in a longer one the server, or the machine, stood still
TOLERANCE_SHARE: Final = 0.05

# What must not grow. The rest goes up and down with flushes and compactions, and is told.
HELD: Final = ("rss_mib", "threads", "handles")
TOLD: Final = ("disk_bytes", "row_store_bytes", "cold_files", "deleted_versions", "ledger_jobs", "jobs_waiting")


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure of a soak. settled: at ten minutes; end, most: at the end and of all samples."""

    name: str
    settled: float
    end: float
    most: float

    @property
    def more_share(self) -> float:
        return self.end / self.settled - 1 if self.settled else 0.0

    @property
    def is_flat(self) -> bool:
        return self.name not in HELD or self.more_share <= TOLERANCE_SHARE


def is_long_enough(samples: Sequence[Sample]) -> bool:
    """Whether the marks of a run say whether it was flat."""
    return bool(samples) and samples[-1].seconds + GAP_SECONDS_MAX >= SHORTEST_SECONDS


def longest_gap_seconds(samples: Sequence[Sample]) -> int:
    """Without a sample."""
    return max((after.seconds - before.seconds for before, after in pairwise(samples)), default=0)


def marks(samples: Sequence[Sample]) -> list[Mark]:
    """Of each figure, for a run that is long enough; one that is not is compared with its own end."""
    last = samples[-1].seconds
    begin = min(SETTLED_SECONDS, max(0, last - WINDOW_SECONDS))
    settled = _between(samples, begin, begin + WINDOW_SECONDS)
    end = _between(samples, last - WINDOW_SECONDS, last)
    return [
        Mark(name, _middle(settled, name), _middle(end, name), max(getattr(s, name) for s in samples))
        for name in (*HELD, *TOLD)
    ]


def _between(samples: Sequence[Sample], first_seconds: int, last_seconds: int) -> list[Sample]:
    return [sample for sample in samples if first_seconds <= sample.seconds <= last_seconds]


def _middle(samples: Sequence[Sample], name: str) -> float:
    return float(median(getattr(sample, name) for sample in samples))
