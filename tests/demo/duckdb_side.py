"""The other side of the comparison: the same tables and the same changes in DuckDB."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa

from bench.corrections import Correction

TOLERANCE = 1e-9  # sums of floats depend on the order of the rows


class DuckDbSide:
    """An in-memory DuckDB in UTC."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        for name, rows in tables.items():
            self._connection.register("incoming", rows)
            self._connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")
            self._connection.unregister("incoming")

    def change(self, corrections: Iterable[Correction]) -> list[int]:
        """Rows changed by each."""
        return [self._connection.execute(each.sql).fetchall()[0][0] for each in corrections]

    def answers(self, questions: Mapping[str, str]) -> dict[str, list[tuple[Any, ...]]]:
        return {name: rows_of(self.table(sql)) for name, sql in questions.items()}

    def table(self, sql: str) -> pa.Table:
        """By way of Arrow: for times in a zone DuckDB's own rows need one more package."""
        return self._connection.sql(sql).to_arrow_table()

    def close(self) -> None:
        self._connection.close()


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def assert_same_table(found: pa.Table, expected: pa.Table) -> None:
    """The same rows in any order, all columns, bit for bit."""
    order = [(name, "ascending") for name in expected.column_names]
    assert found.cast(expected.schema).sort_by(order).equals(expected.sort_by(order))


def assert_same(found: Sequence[Sequence[Any]], expected: Sequence[Sequence[Any]]) -> None:
    """The same rows in the same order; numbers by value, whatever type holds them."""
    assert len(found) == len(expected)
    for at, (row, wanted) in enumerate(zip(found, expected, strict=True)):
        assert len(row) == len(wanted)
        same = all(_same(a, b) for a, b in zip(row, wanted, strict=True))
        assert same, f"row {at}: {tuple(row)} is not {tuple(wanted)}"


def _same(a: object, b: object) -> bool:
    a, b = _plain(a), _plain(b)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return a == b


def _plain(value: object) -> object:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None) if value.tzinfo is None else value.astimezone(dt.UTC).replace(tzinfo=None)
    return value
