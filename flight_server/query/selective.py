"""Selective equality is found in plans: `column = value`, where few rows of a table can have the value.

Its filter goes into the scan of Parquet then, which reads other columns only where a row matches: a twelfth of the work
on lineitem by its part. Where a quarter of the rows match it takes up to twice as long, so a column must show by its
size that it has many values: a value of few takes few bits in a dictionary.
"""

from __future__ import annotations

from typing import Final

from flight_server.query.scan.dependencies import Dependencies
from flight_server.query.scan.table_scan import DEAD_SEQ
from storage.catalog.schema import TableDef
from storage.state.state import PartitionState

BITS_MIN: Final = 8  # of a value on disk: a dictionary of so many has at least 129 values
_FILTER: Final = "Filter: "
_LITERALS: Final = ("Int64(", "UInt64(", "Utf8(", "Float64(", "Decimal128(", "Date32(", "Timestamp", "CAST(")
_MORE: Final = ("Join:", "Subquery:")  # but for our own join with the deleted rows


def is_selective(shown: str, touched: Dependencies) -> bool:
    """Whether a plan, as indented text, reads few rows of the one table that it reads. A statement over more is left as
    it is: what pays for one of them may not for another."""
    if len(touched.stored) != 1 or _FILTER not in shown:
        return False
    [(table, partition)] = touched.stored
    lines = [line.lstrip() for line in shown.splitlines()]
    if not partition.cold or any(word in line for line in lines for word in _MORE if DEAD_SEQ not in line):
        return False
    compared = {name for line in lines if line.startswith(_FILTER) for name in _compared(line)}
    return any(_bits(table, partition, name) >= BITS_MIN for name in compared)


def _compared(line: str) -> set[str]:
    """The columns that must equal a literal."""
    found: set[str] = set()
    if " OR " in line:
        return found
    for condition in line.removeprefix(_FILTER).split(" AND "):
        column, equals, value = condition.partition(" = ")
        if equals and value.startswith(_LITERALS):
            found.add(column.rpartition(".")[2])
    return found


def _bits(table: TableDef, partition: PartitionState, name: str) -> float:
    """That a value of the column takes on disk, on average of all files; 0 where there is no such column."""
    stored = next((column.physical_name for column in table.columns if column.name == name), None)
    rows = sum(file.rows for file in partition.cold)
    return 8 * sum(file.column_bytes.get(stored or "", 0) for file in partition.cold) / max(rows, 1)
