"""The same rows in three states: hot, cold, and mixed with deleted versions among them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from flight_server.query import QueryEngine
from tests.support.query_database import NOW_MS, Database, column, seq_at

STATES = ("hot", "cold", "mixed")


def in_state(
    state: str, queries: QueryEngine, cold: Path, tables: Mapping[str, pa.Table], **keys: tuple[str, ...]
) -> Database:
    """Tables of these rows. keys: table -> its primary key."""
    database = Database(queries, cold)
    counter = itertools.count(1)
    for name, rows in tables.items():
        columns = [column(field.name, field.type) for field in rows.schema]
        table = database.table(name, *columns, primary_key=keys.get(name, ()))
        half = rows.num_rows // 2 if state == "mixed" else rows.num_rows if state == "cold" else 0
        for part, add in ((rows.slice(0, half), database.file), (rows.slice(half), database.hot)):
            if part.num_rows:
                add(table, [seq_at(NOW_MS, next(counter)) for _ in range(part.num_rows)], **_values(part))
        if state == "mixed" and half:
            dead = [seq_at(NOW_MS, next(counter))]
            database.file(table, dead, **_values(rows.slice(0, 1)))
            database.delete(table, dead, seq_at(NOW_MS, next(counter)))
    return database


def _values(rows: pa.Table) -> dict[str, Any]:
    return {name: column.combine_chunks() for name, column in zip(rows.column_names, rows.columns, strict=True)}


def sorted_rows(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """As texts, since NaN equals nothing and NULL compares with nothing; -0.0 is written as what it equals, 0.0."""
    return sorted(
        repr(tuple(0.0 if value == 0 and isinstance(value, float) else value for value in row)) for row in rows
    )
