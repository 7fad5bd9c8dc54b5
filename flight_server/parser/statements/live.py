"""Statements about live queries, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flight_server.parser.statements.table_ref import TableRef

OptionValue = int | bool | str  # a str is the name of a parameter, "1", "2", ..


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`SUBSCRIBE TO SELECT items FROM table [WHERE condition] [WITH (options)]`.

    items_sql, where_sql: as written
    words:   all names in the two, unquoted ones in lower case: columns that are not among them are not used
    has_star: `*` stands for all columns
    options: as written, checked for their names and kinds
    """

    table: TableRef
    items_sql: str
    where_sql: str | None = None
    words: frozenset[str] = frozenset()
    has_star: bool = False
    options: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KillLiveQuery:
    live_id: str
