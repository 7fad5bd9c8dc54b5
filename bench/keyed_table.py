"""The table that most small cases use: a number as primary key, a text and a measure."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bench.tpch_data import NEVER_FLUSHED

COLUMNS = "id BIGINT PRIMARY KEY, kind VARCHAR, amount DOUBLE"


def create_text(name: str) -> str:
    """No background job touches its rows."""
    return f"CREATE OR REPLACE TABLE {name} ({COLUMNS}) {NEVER_FLUSHED}"


def rows_of(count: int, first: int = 0, *, shuffled: bool = False) -> pa.Table:
    """`count` rows with ids from `first` on; shuffled: in the order of a random draw, the same each time."""
    ids = np.arange(first, first + count)
    if shuffled:
        np.random.default_rng(seed=count).shuffle(ids)
    kinds = pa.array([f"kind {number}" for number in range(50)])
    return pa.table(
        {
            "id": pa.array(ids),
            "kind": kinds.take(pa.array(ids % 50)),
            "amount": pa.array(ids * 0.25),
        }
    )
