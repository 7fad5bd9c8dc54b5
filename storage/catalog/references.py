"""Foreign keys follow their tables when these are renamed, altered, replaced and dropped.

Guarantee: a foreign key of a stored table refers to a table that is there, and to columns that are its primary key
or one of its UNIQUE constraints. What would break that takes the foreign key with it, or is refused.
All functions are from tables to tables; the catalog calls them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec

from storage.catalog.constraints import Constraint, ConstraintKind, renamed_reference
from storage.catalog.names import TableName
from storage.catalog.schema import TableDef
from storage.errors import InvalidRequest, NotFound

NO_SUCH_KEY: Final = "42830"
Tables = Mapping[TableName, TableDef]


def foreign_keys(table: TableDef) -> Iterator[Constraint]:
    """Those of `table`."""
    return (constraint for constraint in table.constraints if constraint.reference is not None)


def key_referred_to(constraint: Constraint, target: TableDef) -> str | None:
    """The name of the key of `target` that the foreign key refers to; None when there is none."""
    assert constraint.reference is not None
    columns = set(constraint.reference.columns)
    if target.primary_key and columns == set(target.primary_key):
        return target.primary_key_name
    unique = (c for c in target.constraints if c.kind is ConstraintKind.UNIQUE and set(c.columns) == columns)
    return next((found.name for found in unique), None)


def check_references(tables: Tables, table: TableDef) -> None:
    """Raises NotFound, InvalidRequest unless each foreign key of `table` refers to a key of one of `tables`."""
    for constraint in foreign_keys(table):
        assert constraint.reference is not None
        target = tables.get(constraint.reference.table)
        if target is None:
            raise NotFound(
                f"table '{constraint.reference.table}', to which foreign key '{constraint.name}' refers, does not exist"
            )
        _check_columns(constraint, target)


def _check_columns(constraint: Constraint, target: TableDef) -> None:
    assert constraint.reference is not None
    columns = constraint.reference.columns
    missing = next((name for name in columns if target.column(name) is None), None)
    if missing is not None:
        raise InvalidRequest(
            f"table '{target.name}', to which foreign key '{constraint.name}' refers, has no column '{missing}'",
            sqlstate="42703",
        )
    if len(columns) != len(constraint.columns):
        raise InvalidRequest(
            f"foreign key '{constraint.name}' has {len(constraint.columns)} columns, but refers to {len(columns)}",
            sqlstate=NO_SUCH_KEY,
        )
    if key_referred_to(constraint, target) is None:
        raise InvalidRequest(
            f"foreign key '{constraint.name}' refers to columns ({', '.join(columns)}) that are no key of table "
            f"'{target.name}'; refer to its primary key, or add UNIQUE ({', '.join(columns)}) NOT ENFORCED there",
            sqlstate=NO_SUCH_KEY,
        )


def without_references_to(tables: Tables, gone: Collection[TableName]) -> dict[TableName, TableDef]:
    """`tables` without the foreign keys to those that are `gone`."""
    return {name: _without(table, gone) for name, table in tables.items()}


def _without(table: TableDef, gone: Collection[TableName]) -> TableDef:
    kept = tuple(c for c in table.constraints if not c.refers_to(gone))
    return table if len(kept) == len(table.constraints) else _changed(table, kept)


def with_sound_references(tables: Tables) -> dict[TableName, TableDef]:
    """`tables` without the foreign keys that refer to no key of one of them: not all may have been saved."""
    return {name: _sound(table, tables) for name, table in tables.items()}


def _sound(table: TableDef, tables: Tables) -> TableDef:
    kept = tuple(c for c in table.constraints if c.reference is None or _finds(c, tables.get(c.reference.table)))
    if len(kept) == len(table.constraints):
        return table
    return msgspec.structs.replace(table, constraints=kept)


def _finds(constraint: Constraint, target: TableDef | None) -> bool:
    return target is not None and _fits(constraint, target)


def with_known_references(tables: Tables, known: Collection[TableName]) -> dict[TableName, TableDef]:
    """`tables` as somebody sees them who knows of no others than `known`."""
    return {name: only_known_references(table, known) for name, table in tables.items()}


def only_known_references(table: TableDef, known: Collection[TableName]) -> TableDef:
    """The same version of `table` without the foreign keys to tables that are not `known`."""
    kept = tuple(c for c in table.constraints if c.reference is None or c.reference.table in known)
    if len(kept) == len(table.constraints):
        return table
    return msgspec.structs.replace(table, constraints=kept)


def with_references_kept(old: Tables, new: Tables, replaced: TableName) -> dict[TableName, TableDef]:
    """`new`, in which `replaced` is another table than in `old`, with the foreign keys of others that still fit."""
    return {name: _kept(old.get(name), table, new, replaced) for name, table in new.items()}


def _kept(before: TableDef | None, table: TableDef, new: Tables, replaced: TableName) -> TableDef:
    if before is None or before.table_id != table.table_id or table.name == replaced:
        return table
    fitting = tuple(c for c in before.constraints if not c.refers_to((replaced,)) or _fits(c, new[replaced]))
    if len(fitting) == len(before.constraints):
        return before
    return msgspec.structs.replace(table, constraints=fitting)


def following(tables: Tables, before: TableDef, after: TableDef, *, cascade: bool) -> dict[TableName, TableDef]:
    """`tables`, in which `before` became `after`, with all foreign keys to it under its new names.

    cascade: whether those go that no longer find their key. Raises InvalidRequest (2BP01) if not.
    """
    now = {column.physical_name: column.name for column in after.columns}
    names = {column.name: now[column.physical_name] for column in before.columns if column.physical_name in now}
    return {name: _following(table, before, after, names, cascade=cascade) for name, table in tables.items()}


def _following(
    table: TableDef, before: TableDef, after: TableDef, names: Mapping[str, str], *, cascade: bool
) -> TableDef:
    if not any(c.refers_to((before.name, after.name)) for c in table.constraints):
        return table
    is_own = table.table_id == after.table_id
    old = {constraint.reference for constraint in before.constraints}
    kept: list[Constraint] = []
    for constraint in table.constraints:
        # A foreign key of the table to itself that the same statement added has the new names already.
        is_old = constraint.refers_to((before.name,)) and (not is_own or constraint.reference in old)
        new = renamed_reference(constraint, after.name, names) if is_old else constraint
        if not new.refers_to((after.name,)) or _fits(new, after):
            kept.append(new)
        elif not cascade:
            raise InvalidRequest(
                f"foreign key '{constraint.name}' of table '{table.name}' refers to what would go from table "
                f"'{before.name}'; drop it first with ALTER TABLE {table.name} DROP CONSTRAINT",
                sqlstate="2BP01",
            )
    changed = tuple(kept)
    if changed == table.constraints:
        return table
    return msgspec.structs.replace(table, constraints=changed) if is_own else _changed(table, changed)


def _fits(constraint: Constraint, target: TableDef) -> bool:
    assert constraint.reference is not None
    return key_referred_to(constraint, target) is not None


def _changed(table: TableDef, constraints: tuple[Constraint, ...]) -> TableDef:
    return msgspec.structs.replace(table, constraints=constraints, version=table.version + 1)
