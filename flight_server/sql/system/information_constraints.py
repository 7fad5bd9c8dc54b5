"""`information_schema`'s views of constraints. Only the primary key is ENFORCED."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import pyarrow as pa

from storage.catalog.catalog import Catalog
from storage.catalog.constraints import Constraint, ConstraintKind
from storage.catalog.names import CATALOG, TableName
from storage.catalog.references import foreign_keys, key_referred_to
from storage.catalog.schema import TableDef

Rows = Iterable[tuple[Any, ...]]
_TEXT, _INT = pa.string(), pa.int32()


def constraint_views(catalog: Catalog) -> dict[str, Callable[[], Rows]]:
    """View -> what gives its rows."""
    return {
        "table_constraints": lambda: _table_constraints(catalog),
        "key_column_usage": lambda: _key_column_usage(catalog),
        "referential_constraints": lambda: _referential_constraints(catalog),
        "constraint_column_usage": lambda: _constraint_column_usage(catalog),
        "check_constraints": lambda: _check_constraints(catalog),
    }


def _table_constraints(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for table in _tables(catalog):
        if table.primary_key:
            yield *_constraint(table, table.primary_key_name), *_table(table.name), "PRIMARY KEY", "NO", "NO", "YES"
        for constraint in table.constraints:
            yield *_constraint(table, constraint.name), *_table(table.name), str(constraint.kind), "NO", "NO", "NO"


def _key_column_usage(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for table in _tables(catalog):
        for position, column in enumerate(table.primary_key, start=1):
            yield *_constraint(table, table.primary_key_name), *_table(table.name), column, position, None
        for constraint in table.constraints:
            if constraint.kind is not ConstraintKind.CHECK:
                for position, column in enumerate(constraint.columns, start=1):
                    place = _place_in_key(catalog, constraint, position)
                    yield *_constraint(table, constraint.name), *_table(table.name), column, position, place


def _place_in_key(catalog: Catalog, constraint: Constraint, position: int) -> int | None:
    """At which place of the key that it refers to a column of a foreign key stands."""
    if constraint.reference is None:
        return None
    target = catalog.tables[constraint.reference.table]
    key = key_referred_to(constraint, target)
    columns = next((c.columns for c in target.constraints if c.name == key), target.primary_key)
    return columns.index(constraint.reference.columns[position - 1]) + 1


def _referential_constraints(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for table in _tables(catalog):
        for constraint in foreign_keys(table):
            assert constraint.reference is not None
            target = catalog.tables[constraint.reference.table]
            match = "FULL" if constraint.reference.is_match_full else "NONE"
            yield (
                *_constraint(table, constraint.name),
                *_constraint(target, key_referred_to(constraint, target)),
                *(match, str(constraint.reference.on_update), str(constraint.reference.on_delete)),
            )


def _constraint_column_usage(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    """Of a foreign key the columns that it refers to, as the standard has it."""
    for table in _tables(catalog):
        for column in table.primary_key:
            yield *_table(table.name), column, *_constraint(table, table.primary_key_name)
        for constraint in table.constraints:
            found = constraint.reference
            name, columns = (table.name, constraint.columns) if found is None else (found.table, found.columns)
            for column in columns:
                yield *_table(name), column, *_constraint(table, constraint.name)


def _check_constraints(catalog: Catalog) -> Iterator[tuple[Any, ...]]:
    for table in _tables(catalog):
        for constraint in table.constraints:
            if constraint.kind is ConstraintKind.CHECK:
                yield *_constraint(table, constraint.name), constraint.check_sql


def _tables(catalog: Catalog) -> Iterator[TableDef]:
    return (catalog.tables[name] for name in sorted(catalog.tables))


def _table(name: TableName) -> tuple[str, str, str]:
    return CATALOG, name.namespace, name.table


def _constraint(table: TableDef, name: str | None) -> tuple[str, str, str | None]:
    return CATALOG, table.name.namespace, name


_TABLE: Final = (("table_catalog", _TEXT), ("table_schema", _TEXT), ("table_name", _TEXT))
_CONSTRAINT: Final = (("constraint_catalog", _TEXT), ("constraint_schema", _TEXT), ("constraint_name", _TEXT))
CONSTRAINT_SCHEMAS: Final = {
    "table_constraints": pa.schema(
        (
            *(*_CONSTRAINT, *_TABLE, ("constraint_type", _TEXT)),
            *(("is_deferrable", _TEXT), ("initially_deferred", _TEXT), ("enforced", _TEXT)),
        )
    ),
    "key_column_usage": pa.schema(
        (
            *(*_CONSTRAINT, *_TABLE, ("column_name", _TEXT), ("ordinal_position", _INT)),
            ("position_in_unique_constraint", _INT),
        )
    ),
    "referential_constraints": pa.schema(
        (
            *_CONSTRAINT,
            *((f"unique_{name}", kind) for name, kind in _CONSTRAINT),
            *(("match_option", _TEXT), ("update_rule", _TEXT), ("delete_rule", _TEXT)),
        )
    ),
    "constraint_column_usage": pa.schema((*_TABLE, ("column_name", _TEXT), *_CONSTRAINT)),
    "check_constraints": pa.schema((*_CONSTRAINT, ("check_clause", _TEXT))),
}
