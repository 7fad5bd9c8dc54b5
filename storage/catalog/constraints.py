"""Constraints that are NOT ENFORCED: UNIQUE, CHECK and FOREIGN KEY, for clients and planners to read.

Promises: they are kept with the table's definition, for clients to read.
Refuses:  to be true. No plan and no check of rows may take anything from them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

import msgspec

from storage.catalog.names import TableName


class ConstraintKind(StrEnum):
    """How information_schema calls them."""

    UNIQUE = "UNIQUE"
    CHECK = "CHECK"
    FOREIGN_KEY = "FOREIGN KEY"


class ForeignRule(StrEnum):
    """What a foreign key says of a change of what it refers to."""

    CASCADE = "CASCADE"
    RESTRICT = "RESTRICT"
    SET_NULL = "SET NULL"
    NO_ACTION = "NO ACTION"
    SET_DEFAULT = "SET DEFAULT"


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What a foreign key refers to: columns of a table, one for each column of the key."""

    table: TableName
    columns: tuple[str, ...]
    is_match_full: bool = False
    on_update: ForeignRule = ForeignRule.NO_ACTION
    on_delete: ForeignRule = ForeignRule.NO_ACTION


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """One constraint, under a name that its table gives out once.

    columns:   logical names: of the key, in its order, or those that a CHECK names
    check_sql: the condition of a CHECK as it was written
    reference: of a FOREIGN KEY
    """

    name: str
    kind: ConstraintKind
    columns: tuple[str, ...] = ()
    check_sql: str = ""
    reference: Reference | None = None

    def refers_to(self, tables: Collection[TableName]) -> bool:
        """Whether it is a foreign key to one of them."""
        return self.reference is not None and self.reference.table in tables


def renamed_columns(constraint: Constraint, names: Mapping[str, str]) -> Constraint:
    """With the columns that it has of its own table under new names; the text of a CHECK is the caller's."""
    return msgspec.structs.replace(constraint, columns=tuple(names.get(name, name) for name in constraint.columns))


def renamed_reference(constraint: Constraint, table: TableName, names: Mapping[str, str]) -> Constraint:
    """With what it refers to under new names."""
    if constraint.reference is None:
        return constraint
    columns = tuple(names.get(name, name) for name in constraint.reference.columns)
    reference = msgspec.structs.replace(constraint.reference, table=table, columns=columns)
    return msgspec.structs.replace(constraint, reference=reference)
