"""How much of everything: the full run, and the quick one that ends within a minute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Scale:
    """Rows, files, clients and repeats of the cases.

    tpch_factor:       1 = 6 M rows of lineitem
    tpch_query_step:   1 = all 22 queries, 3 = each third
    rounds:            times each side is measured; the median counts
    calls:             short calls in a round
    key_rows, upsert_rows: of the table with a primary key
    fresh_rows:        left by one-row inserts
    insert_calls_many: one-row inserts of each of the 16 clients, in a round
    growth_rows:       of the smallest table that grows, to ten times as many
    growth_tables:     to which the tables grow, from one
    growth_calls:      point reads of each of the up to 16 clients, in a round
    live_events:       of each writer, one a call
    users:             with rows of their own in one table
    users_starts:      of the server on each directory with some of them
    live_idle_seconds: for which idle live queries are looked at
    """

    tpch_factor: float
    tpch_query_step: int
    rounds: int
    calls: int
    key_rows: int
    upsert_rows: int
    fresh_rows: int
    insert_calls_many: int
    growth_rows: int
    growth_tables: int
    growth_calls: int
    live_events: int
    users: int
    users_starts: int
    live_idle_seconds: float


FULL: Final = Scale(
    tpch_factor=1,
    tpch_query_step=1,
    rounds=5,
    calls=200,
    key_rows=1_000_000,
    upsert_rows=100_000,
    fresh_rows=10_000,
    insert_calls_many=100,
    growth_rows=500_000,
    growth_tables=100,
    growth_calls=50,
    live_events=1500,
    users=10_000,
    users_starts=5,
    live_idle_seconds=10.0,
)
QUICK: Final = Scale(
    tpch_factor=0.05,
    tpch_query_step=3,
    rounds=5,
    calls=15,
    key_rows=50_000,
    upsert_rows=10_000,
    fresh_rows=1_000,
    insert_calls_many=15,
    growth_rows=20_000,
    growth_tables=20,
    growth_calls=3,
    live_events=300,
    users=500,
    users_starts=1,
    live_idle_seconds=1.0,
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the benchmark.

    data:       where TPC-H files are kept and servers live while they are measured
    roapi:      the program, None when it is not installed
    """

    scale: Scale
    data: Path
    roapi: Path | None
