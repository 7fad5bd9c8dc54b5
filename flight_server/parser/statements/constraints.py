"""Constraints and identity columns in statements, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flight_server.parser.statements.table_ref import TableRef
from storage.catalog.constraints import ConstraintKind, ForeignRule
from storage.catalog.schema import Identity


@dataclass(frozen=True, slots=True)
class ForeignTarget:
    """`REFERENCES t [(columns)] [MATCH ..] [ON UPDATE ..] [ON DELETE ..]`; no columns: the primary key of `t`."""

    table: TableRef
    columns: tuple[str, ...] = ()
    is_match_full: bool = False
    on_update: ForeignRule = ForeignRule.NO_ACTION
    on_delete: ForeignRule = ForeignRule.NO_ACTION


@dataclass(frozen=True, slots=True)
class ConstraintSpec:
    """A constraint that is NOT ENFORCED; `name` None: one is made up."""

    kind: ConstraintKind
    name: str | None = None
    columns: tuple[str, ...] = ()
    check_sql: str = ""
    target: ForeignTarget | None = None


class DropRule(StrEnum):
    """What is said of that which depends on what is dropped: it goes too, or is in the way."""

    CASCADE = "CASCADE"
    RESTRICT = "RESTRICT"


@dataclass(frozen=True, slots=True)
class AddConstraint:
    constraint: ConstraintSpec


@dataclass(frozen=True, slots=True)
class DropConstraint:
    name: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class RenameConstraint:
    name: str
    new_name: str


@dataclass(frozen=True, slots=True)
class ChangeIdentity:
    """`ADD GENERATED .. AS IDENTITY` (is_new), `SET GENERATED ..`, `DROP IDENTITY [IF EXISTS]` (identity None)."""

    name: str
    identity: Identity | None
    is_new: bool = False
    if_exists: bool = False


class Overriding(StrEnum):
    SYSTEM = "system"  # the values given are taken, even where they are GENERATED ALWAYS
    USER = "user"  # the values given for identity columns are not taken
