"""What the database must hold, as plain Python values. Copied before each change: there is a before and an after."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
Shown = dict[int, list[list[Any]]]  # table id -> as `arranged`


@dataclass
class TableModel:
    """One table. `columns`: names of now, `k` first. `rows`: in any order; with a key no two have the same `k`."""

    name: str
    keyed: bool
    columns: list[str]
    rows: list[Row] = field(default_factory=list)
    columns_made: int = 0

    def ks(self) -> list[int]:
        return sorted(row["k"] for row in self.rows)

    def takes(self, ks: set[int]) -> bool:
        """Whether rows with these keys may be inserted."""
        return not (self.keyed and ks & set(self.ks()))

    def without(self, ks: set[int]) -> None:
        self.rows = [row for row in self.rows if row["k"] not in ks]

    def put(self, rows: list[list[Any]]) -> None:
        self.rows += [dict(zip(self.columns, row, strict=True)) for row in rows]

    def add_column(self, name: str, value: Any) -> None:
        self.columns.append(name)
        self.columns_made += 1
        for row in self.rows:
            row[name] = value

    def drop_column(self, name: str) -> None:
        self.columns.remove(name)
        for row in self.rows:
            del row[name]

    def rename_column(self, old: str, new: str) -> None:
        self.columns = [new if name == old else name for name in self.columns]
        self.rows = [{new if name == old else name: row[name] for name in row} for row in self.rows]


@dataclass
class Model:
    """All tables by their id."""

    tables: dict[int, TableModel] = field(default_factory=dict)

    def copy(self) -> Model:
        return deepcopy(self)

    def shown(self) -> Shown:
        return {table_id: arranged(table.columns, table.rows) for table_id, table in self.tables.items()}


def arranged(columns: list[str], rows: list[Row]) -> list[list[Any]]:
    """Names, then the rows in an order of their own, to be compared."""
    return [columns, *sorted(([row[name] for name in columns] for row in rows), key=repr)]
