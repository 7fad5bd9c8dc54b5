"""Rows with a struct that hides values beneath its NULLs, and what is to be seen of them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tests.support.sql_client import Client

PAIR = pa.struct([("a", pa.int32()), ("b", pa.string())])
SENT = pa.StructArray.from_arrays(
    [pa.array([1, 7, None], pa.int32()), pa.array(["q", "hidden", None])],
    fields=list(PAIR),
    mask=pa.array([False, True, False]),
)
FIELDS = [(1, 1, "q"), (2, None, None), (3, None, None)]


def pairs(first_id: int = 1) -> pa.Table:
    return pa.table({"id": pa.array(range(first_id, first_id + 3)), "s": SENT})


def fields(client: Client, table: str = "t") -> list[tuple[Any, ...]]:
    return client.rows(f"SELECT id, s['a'] AS a, s['b'] AS b FROM {table} ORDER BY id")
