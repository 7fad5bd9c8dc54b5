"""Buffer is what a stream's partition knows of itself beside its events. A value in its state, replaced at commits.

The figures count from the start of the server; `left_seq` and `cut_rows` are told from the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Lowest:
    """The events that eviction by priority takes first, in that order; every other event comes after all of these.

    values: their priorities, rising, as `stream_priority` maps them to numbers
    seqs:   int64: their `_seq`s; rising among equal priorities. Some may have left meanwhile
    """

    values: np.ndarray
    seqs: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """arrived:   events that were stored
    evicted:   events that left, by age or for want of room
    discarded: events that were not stored because nobody listened
    left_seq:  no event newer than this one has left, but for those discarded; 0 = none at all
    cut_rows:  events that left and are still in batches on disk with events that stayed
    lowest:    None = not looked for yet
    """

    arrived: int = 0
    evicted: int = 0
    discarded: int = 0
    left_seq: int = 0
    cut_rows: int = 0
    lowest: Lowest | None = None


EMPTY_BUFFER: Final = Buffer()
