"""QuerySettings say what one query, and all of them together, may use: the `[query]` section of the settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, slots=True)
class QuerySettings:
    """Limits and pace of reading.

    memory_bytes_max:      of all queries together, before they spill
    partitions:            parallel streams of a plan; 0 = twice the processors
    worker_threads:        of the engine; 0 = two more than processors
    batch_rows:            rows in a batch inside the engine
    message_bytes_max:     a result batch is cut at about this size
    statement_seconds_max: after which a statement is cancelled; 0 = never
    running_max:           statements that stream at the same time; more wait in line
    running_per_user_max:  of them, of one user
    queue_seconds_max:     how long a statement waits in line before it is refused
    sandboxed_max:         statements that run in a process of their own at the same time; see docs/security.md
    sandboxed_per_user_max: of them, of one user
    sandbox_bytes_max:     memory of one of them
    result_buffer_bytes_max: how far one statement may run ahead of its reader
    result_cache_bytes_max: of results that are kept for texts that come again; 0 = none is
    """

    memory_bytes_max: Annotated[int, Meta(ge=16 << 20)] = 2 << 30
    partitions: Annotated[int, Meta(ge=0)] = 0
    worker_threads: Annotated[int, Meta(ge=0)] = 0
    batch_rows: Annotated[int, Meta(ge=128)] = 32_768
    message_bytes_max: Annotated[int, Meta(ge=64 << 10, le=8 << 20)] = 2 << 20
    statement_seconds_max: Annotated[float, Meta(ge=0)] = 3600.0
    running_max: Annotated[int, Meta(ge=1)] = 64
    running_per_user_max: Annotated[int, Meta(ge=1)] = 48
    queue_seconds_max: Annotated[float, Meta(ge=0)] = 30.0
    sandboxed_max: Annotated[int, Meta(ge=1)] = 4
    sandboxed_per_user_max: Annotated[int, Meta(ge=1)] = 2
    sandbox_bytes_max: Annotated[int, Meta(ge=64 << 20)] = 1 << 30
    result_buffer_bytes_max: Annotated[int, Meta(ge=1 << 20)] = 16 << 20
    result_cache_bytes_max: Annotated[int, Meta(ge=0)] = 64 << 20

    @property
    def target_partitions(self) -> int:
        """2 x processors was best on TPC-H SF1: 4.4 s against 4.9 s with 1 x."""
        return self.partitions or 2 * (os.cpu_count() or 1)

    @property
    def engine_threads(self) -> int:
        """Threads do not take turns within a join without a key, so such a join gets one thread (see engine.start),
        and two threads more than processors keep others going beside it. Many more than that cost: with 16 the 22
        TPC-H queries took a seventh longer on two cores."""
        return self.worker_threads or (os.cpu_count() or 1) + 2
