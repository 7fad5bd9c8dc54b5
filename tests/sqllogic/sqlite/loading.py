"""Gathers INSERTs that follow each other, so that files which load thousands of single rows load fast.

Rows of one table and one list of columns become one statement. That other tables' rows, or rows with the columns in
another order, come in between changes nothing: between two INSERTs of a gathering nobody looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.sqllogic.sqlite.script import Query, Record, Statement

ROWS_MAX: Final = 500  # of one gathered statement
_INSERT = re.compile(r"(INSERT\s+INTO\s+\w+\s*(?:\([\w\s,]*\))?\s*VALUES)\s*(\(.*\))\s*$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Load:
    """INSERTs that may run as fewer. `singles` are as the file has them."""

    singles: tuple[Statement, ...]

    @property
    def texts(self) -> list[str]:
        rows: dict[str, list[str]] = {}
        for single in self.singles:
            found = _INSERT.match(single.sql)
            assert found is not None
            rows.setdefault(" ".join(found[1].split()), []).append(found[2])
        return [
            f"{head} {', '.join(values[at : at + ROWS_MAX])}"
            for head, values in rows.items()
            for at in range(0, len(values), ROWS_MAX)
        ]

    def halves(self) -> tuple[Load, Load]:
        cut = len(self.singles) // 2
        return Load(self.singles[:cut]), Load(self.singles[cut:])


def gathered(records: Iterable[Record]) -> Iterator[Statement | Query | Load]:
    """The records in their order, INSERTs of values gathered."""
    waiting: list[Statement] = []
    for record in records:
        if isinstance(record, Statement) and not record.fails and _INSERT.match(record.sql):
            waiting.append(record)
            continue
        if waiting:
            yield Load(tuple(waiting))
            waiting = []
        yield record
    if waiting:
        yield Load(tuple(waiting))


def spread(records: list[Record], queries_max: int) -> tuple[list[Record], int]:
    """At most so many of the queries, taken from all over the file, and how many were left out. 0 = all."""
    total = sum(isinstance(record, Query) for record in records)
    if not 0 < queries_max < total:
        return records, 0
    kept, seen = [], 0
    for record in records:
        if isinstance(record, Query):
            seen += 1
            if seen * queries_max // total == (seen - 1) * queries_max // total:
                continue
        kept.append(record)
    return kept, total - queries_max
