"""Definition history tells what each change of a table's definition was, by comparing it with the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flight_server.access.grants import Action
from flight_server.access.rights import Rights
from storage.catalog.names import quoted
from storage.catalog.schema import Column, Identity, TableDef


def operations(versions: Sequence[TableDef]) -> Iterator[tuple[TableDef, str]]:
    """Each version of one table, oldest first, with what made it."""
    before: TableDef | None = None
    for version in versions:
        yield version, "CREATE TABLE" if before is None else difference(before, version)
        before = version


def author_of(version: TableDef, who: Rights) -> str | None:
    """Who made it, for those who may know what others do."""
    may_know = version.changed_by == who.principal.name or who.may_do(Action.SEE_OTHERS)
    return version.changed_by or None if may_know else None


def difference(before: TableDef, after: TableDef) -> str:
    """The changes, as ALTER TABLE would name them, with commas between; "" when there is none."""
    changes: list[str] = []
    if before.name != after.name:
        changes.append(f"RENAME TO {quoted(after.name.table)}")
    old = {column.physical_name: column for column in before.columns}
    new = {column.physical_name: column for column in after.columns}
    changes += [f"DROP COLUMN {quoted(old[name].name)}" for name in old if name not in new]
    changes += [f"ADD COLUMN {quoted(new[name].name)}" for name in new if name not in old]
    for name in new:
        if name in old:
            changes += _column_changes(old[name], new[name])
    changes += _constraint_changes(before, after)
    was, now = before.options_shown, after.options_shown
    changed = [f"{option} = '{value}'" for option, value in now.items() if was.get(option) != value]
    if changed:
        changes.append(f"SET ({', '.join(changed)})")
    if before.comment != after.comment:
        changes.append("COMMENT ON TABLE")
    return ", ".join(changes)


def _constraint_changes(before: TableDef, after: TableDef) -> Iterator[str]:
    """By name alone: what a foreign key refers to is not for everybody to know."""
    if before.key_name != after.key_name:
        yield f"RENAME CONSTRAINT {quoted(before.primary_key_name)} TO {quoted(after.primary_key_name)}"
    old, new = {c.name for c in before.constraints}, {c.name for c in after.constraints}
    yield from (f"DROP CONSTRAINT {quoted(c.name)}" for c in before.constraints if c.name not in new)
    yield from (f"ADD CONSTRAINT {quoted(c.name)}" for c in after.constraints if c.name not in old)


def _column_changes(before: Column, after: Column) -> Iterator[str]:
    name = quoted(after.name)
    if before.name != after.name:
        yield f"RENAME COLUMN {quoted(before.name)} TO {name}"
    if (before.type, before.sql_type) != (after.type, after.sql_type):
        yield f"ALTER COLUMN {name} TYPE {after.sql_type}"
    if before.identity != after.identity:
        yield f"ALTER COLUMN {name} {_identity_change(before.identity, after.identity)}"
    elif before.default_sql != after.default_sql:
        what = "DROP DEFAULT" if after.default_sql is None else f"SET DEFAULT {after.default_sql}"
        yield f"ALTER COLUMN {name} {what}"
    if before.nullable != after.nullable:
        yield f"ALTER COLUMN {name} {'DROP' if after.nullable else 'SET'} NOT NULL"
    if before.comment != after.comment:
        yield f"COMMENT ON COLUMN {name}"


def _identity_change(before: Identity | None, after: Identity | None) -> str:
    if after is None:
        return "DROP IDENTITY"
    return f"ADD GENERATED {after} AS IDENTITY" if before is None else f"SET GENERATED {after}"
