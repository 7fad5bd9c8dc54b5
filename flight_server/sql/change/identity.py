"""Identity columns: who may give them values, and how ALTER changes that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from flight_server.parser.grammar.identity import IDENTITY_DEFAULT, check_identity_type
from flight_server.parser.statements.changes import Assignment
from flight_server.parser.statements.constraints import ChangeIdentity, Overriding
from storage.catalog.schema import Column, Identity, TableDef
from storage.errors import InvalidRequest

GENERATED_ALWAYS: Final = "428C9"
ValuesRow = tuple[str | None, ...]


def refuse_identity(table: TableDef, column: Column, instead: str) -> None:
    """Raises InvalidRequest for a column that is an identity column."""
    if column.identity is not None:
        raise InvalidRequest(
            f"column '{column.name}' of table '{table.name}' is an identity column; use {instead}", sqlstate="42601"
        )


def changed_identity(table: TableDef, column: Column, action: ChangeIdentity) -> Column:
    """The column after ALTER COLUMN. Raises InvalidRequest, NotSupported."""
    is_one = column.identity is not None
    if action.is_new and (is_one or column.default_sql is not None or column.nullable):
        has = "is one already" if is_one else "can be NULL" if column.nullable else "has a DEFAULT"
        raise InvalidRequest(
            f"column '{column.name}' of table '{table.name}' can't be made an identity column, since it {has}",
            sqlstate="55000",
        )
    if not (action.is_new or is_one):
        if action.if_exists:
            return column
        raise InvalidRequest(
            f"column '{column.name}' of table '{table.name}' is not an identity column", sqlstate="55000"
        )
    if action.identity is None:
        return msgspec.structs.replace(column, identity=None, default_sql=None)
    check_identity_type(column.name, column.type, column.sql_type)
    return msgspec.structs.replace(column, identity=action.identity, default_sql=IDENTITY_DEFAULT)


def refuse_given(table: TableDef, given: Iterable[str]) -> None:
    """Raises InvalidRequest (428C9) if a statement gives values for a column that is GENERATED ALWAYS."""
    always = {column.name for column in table.columns if column.identity is Identity.ALWAYS}
    named = next((name for name in given if name in always), None) if always else None
    if named is not None:
        raise InvalidRequest(
            f"column '{named}' of table '{table.name}' is GENERATED ALWAYS; leave it out or write DEFAULT; an INSERT "
            "with OVERRIDING SYSTEM VALUE may give it",
            sqlstate=GENERATED_ALWAYS,
        )


def rows_taken(
    table: TableDef, columns: Sequence[Column], rows: tuple[ValuesRow, ...], overriding: Overriding | None
) -> tuple[ValuesRow, ...]:
    """The rows of VALUES as they are to be inserted: None is DEFAULT. Raises InvalidRequest (428C9)."""
    places = [place for place, column in enumerate(columns) if column.identity is not None]
    if not places or overriding is Overriding.SYSTEM:
        return rows
    if overriding is Overriding.USER:
        return tuple(tuple(None if place in places else item for place, item in enumerate(row)) for row in rows)
    given = (place for place in places if any(len(row) > place and row[place] is not None for row in rows))
    refuse_given(table, (columns[place].name for place in given))
    return rows


def columns_taken(table: TableDef, columns: Sequence[Column], overriding: Overriding | None) -> frozenset[str]:
    """Those whose values are taken from a query or from bound rows. Raises InvalidRequest (428C9)."""
    if overriding is None:
        refuse_given(table, (column.name for column in columns))
    is_left_out = overriding is Overriding.USER
    return frozenset(c.name for c in columns if not (is_left_out and c.identity is not None))


def refuse_assigned(table: TableDef, assignments: Iterable[Assignment]) -> None:
    """Raises InvalidRequest (428C9) if one of them is to a column that is GENERATED ALWAYS."""
    refuse_given(table, (a.column for a in assignments if a.value_sql is not None))
