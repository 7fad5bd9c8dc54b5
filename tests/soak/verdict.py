"""Whether a server held more at the end of a soak than after ten minutes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.soak.sample import Sample

SETTLED_SECONDS: Final = 600  # by then caches are full and every table has the rows that it will have
WINDOW_SECONDS: Final = 120  # of which the middle value counts: threads come and go with calls
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


def marks(samples: Sequence[Sample]) -> list[Mark]:
    """Of each figure. A run that is too short for both windows is compared with itself, in part."""
    last = samples[-1].seconds
    settled = _between(samples, min(SETTLED_SECONDS, last), min(SETTLED_SECONDS, last) + WINDOW_SECONDS)
    end = _between(samples, last - WINDOW_SECONDS, last)
    return [
        Mark(name, _middle(settled, name), _middle(end, name), max(getattr(s, name) for s in samples))
        for name in (*HELD, *TOLD)
    ]


def _between(samples: Sequence[Sample], first_seconds: int, last_seconds: int) -> list[Sample]:
    return [sample for sample in samples if first_seconds <= sample.seconds <= last_seconds]


def _middle(samples: Sequence[Sample], name: str) -> float:
    return float(median(getattr(sample, name) for sample in samples))
