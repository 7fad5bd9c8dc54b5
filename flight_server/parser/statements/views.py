"""Statements that make, rename and drop views, as values."""

from __future__ import annotations

from dataclasses import dataclass

from flight_server.parser.statements.constraints import DropRule
from flight_server.parser.statements.table_ref import TableRef


@dataclass(frozen=True, slots=True)
class CreateView:
    view: TableRef
    sql: str
    columns: tuple[str, ...] = ()
    or_replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class AlterView:
    """`ALTER VIEW [IF EXISTS] view RENAME TO new_name`"""

    view: TableRef
    new_name: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropView:
    view: TableRef
    if_exists: bool
    rule: DropRule | None = None
