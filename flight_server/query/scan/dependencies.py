"""Dependencies record what the names of a statement came to while it was planned: what the plan stands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import pyarrow as pa

from storage.catalog.names import TableName
from storage.catalog.schema import TableDef, ViewDef
from storage.state.state import PartitionState
from storage.state.stream_retention import FOR_EVER_MS

UNPACKED: Final = 4  # times as large as in its file a row may be, as a rule


class JoinWay(StrEnum):
    """How a plan's joins are run. ONE_THREAD: they may not yield theirs, so they get one only."""

    USUAL = "usual"
    ONE_THREAD = "one thread"
    APART = "apart"


@dataclass(slots=True)
class Dependencies:
    """Filled by the catalog, one per statement, views and what is in them included.

    names:   everything that access was checked for
    stored:  tables with the partition that their rows come from
    views:   whose text was planned
    virtual: system tables with the rows that they had
    only:    tables of which some rows alone matter, with these
    rows:    how many rows all inputs have at most, deleted versions included
    opened:  a view opened to its caller what lies under it
    passing: it read what the next statement may find changed: system tables, rows of the caller's own, a past version,
             a word that stands for the caller
    is_owned: rows of the caller's own are among them: not what another caller would see
    until_ms: the last moment at which it sees the events that are to be seen: then one of a stream expires
    join_way: None until somebody looked
    """

    names: list[TableName] = field(default_factory=list)
    stored: list[tuple[TableDef, PartitionState]] = field(default_factory=list)
    views: list[ViewDef] = field(default_factory=list)
    virtual: dict[TableName, pa.Table] = field(default_factory=dict)
    only: list[tuple[TableDef, pa.RecordBatch]] = field(default_factory=list)
    rows: int = 0
    opened: bool = False
    passing: bool = False
    is_owned: bool = False
    until_ms: int = FOR_EVER_MS
    join_way: JoinWay | None = None

    @property
    def row_bytes(self) -> float:
        """Of the largest rows that are read from files, written out, with what is put into rows older than a column."""
        return max((_row_bytes(table, partition) for table, partition in self.stored), default=0.0)

    @property
    def files(self) -> int:
        """How many cold files all inputs have, as far as they are known."""
        return sum(len(partition.cold) for _, partition in self.stored)

    @property
    def is_nothing(self) -> bool:
        """Whether it stands on its text alone."""
        return not (self.names or self.stored or self.views or self.virtual or self.only or self.rows or self.passing)

    def add_stored(self, table: TableDef, partition: PartitionState) -> None:
        self.stored.append((table, partition))
        self.rows += partition.hot_rows + sum(file.rows for file in partition.cold)


def _row_bytes(table: TableDef, partition: PartitionState) -> float:
    filled = sum(len(column.fill) for column in table.columns if column.fill is not None)
    return filled + UNPACKED * partition.cold_row_bytes
