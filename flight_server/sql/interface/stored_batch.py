"""StoredBatch says what became of one batch of an upload that is acknowledged batch by batch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """rows: that were stored; events of a stream that nobody listens to are none.

    last_seq: no row of the batch has a larger `_seq`; None where there is none: no rows, or those of a temporary table
    """

    rows: int
    last_seq: int | None
