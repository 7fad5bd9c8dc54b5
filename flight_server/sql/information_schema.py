"""`information_schema`: the standard's views of the catalog (ISO/IEC 9075-11), with the columns that tools ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from flight_server.sql.information_constraints import CONSTRAINT_SCHEMAS, constraint_views
from flight_server.sql.time_travel import with_time_travel
from flight_server.sql.type_names import sql_type_name
from flight_server.sql.virtual_rows import table_of
from storage.catalog import Catalog
from storage.errors import FrostlineError
from storage.names import CATALOG, TableName
from storage.schema import Column, ViewDef

SCHEMA = "information_schema"
_TEXT, _INT = pa.string(), pa.int32()
SchemaOf = Callable[[TableName], pa.Schema]


def information_schema(
    catalog: Catalog, system: Mapping[TableName, pa.Schema], schema_of: SchemaOf
) -> dict[TableName, Callable[[], pa.Table]]:
    """Every view of it, to be called when named. `schema_of`: of a view."""
    makers: dict[str, Callable[[], Iterable[tuple[Any, ...]]]] = {
        "schemata": lambda: _schemata(catalog, system),
        "tables": lambda: _tables(catalog, system),
        "columns": lambda: _columns(catalog, system, schema_of),
        "views": lambda: (_view(view) for _, view in sorted(catalog.views.items())),
        **constraint_views(catalog),
    }
    return {_name(name): partial(_computed, name, make) for name, make in makers.items()}


def _computed(name: str, rows: Callable[[], Iterable[tuple[Any, ...]]]) -> pa.Table:
    return table_of(_SCHEMAS[name], rows())


def information_schemas() -> Mapping[TableName, pa.Schema]:
    """For metadata commands."""
    return MappingProxyType({_name(name): schema for name, schema in _SCHEMAS.items()})


def _name(table: str) -> TableName:
    return TableName(SCHEMA, table)


def _schemata(catalog: Catalog, system: Mapping[TableName, pa.Schema]) -> Iterable[tuple[Any, ...]]:
    for name in sorted({*catalog.namespaces, *(n.namespace for n in system)}):
        yield CATALOG, name, None, None


def _tables(catalog: Catalog, system: Mapping[TableName, pa.Schema]) -> Iterable[tuple[Any, ...]]:
    for name in sorted((*catalog.tables, *catalog.views, *system)):
        base = "LOCAL TEMPORARY" if name.is_temporary else "BASE TABLE"
        kind = base if name in catalog.tables else "VIEW" if name in catalog.views else "SYSTEM TABLE"
        yield CATALOG, name.namespace, name.table, kind, "YES" if name in catalog.tables else "NO"


def _columns(catalog: Catalog, system: Mapping[TableName, pa.Schema], schema_of: SchemaOf) -> Iterable[tuple[Any, ...]]:
    for table in catalog.tables.values():
        for position, column in enumerate(table.columns, start=1):
            yield _column_row(table.name, position, column)
    schemas = {**{name: _schema_or_none(name, schema_of) for name in catalog.views}, **system}
    for name, schema in schemas.items():
        for position, field in enumerate(schema, start=1):
            shown = sql_type_name(field.type)
            yield _column_row(
                name, position, Column(name=field.name, physical_name=field.name, type=field.type, sql_type=shown)
            )


def _schema_or_none(view: TableName, schema_of: SchemaOf) -> pa.Schema:
    """No columns for a view that no longer works: it must not hide the others."""
    try:
        return schema_of(view)
    except FrostlineError:
        return pa.schema([])


def _column_row(name: TableName, position: int, column: Column) -> tuple[Any, ...]:
    kind, identity = column.type, column.identity
    precision = kind.precision if pa.types.is_decimal(kind) else _bits(kind)
    scale = kind.scale if pa.types.is_decimal(kind) else 0 if pa.types.is_integer(kind) else None
    return (
        *(CATALOG, name.namespace, name.table, column.name, position, column.default_sql if not identity else None),
        *("YES" if column.nullable else "NO", column.sql_type, precision, scale),
        *("YES" if identity else "NO", str(identity) if identity else None),
    )


def _bits(kind: pa.DataType) -> int | None:
    return kind.bit_width if pa.types.is_integer(kind) or pa.types.is_floating(kind) else None


def _view(view: ViewDef) -> tuple[Any, ...]:
    return CATALOG, view.name.namespace, view.name.table, with_time_travel(view.sql) or None


def _schema(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema(fields)


_TABLE = (("table_catalog", _TEXT), ("table_schema", _TEXT), ("table_name", _TEXT))
_SCHEMAS = {
    "schemata": _schema(("catalog_name", _TEXT), ("schema_name", _TEXT), ("schema_owner", _TEXT), ("sql_path", _TEXT)),
    "tables": _schema(*_TABLE, ("table_type", _TEXT), ("is_insertable_into", _TEXT)),
    "columns": _schema(
        *_TABLE,
        *(("column_name", _TEXT), ("ordinal_position", _INT), ("column_default", _TEXT), ("is_nullable", _TEXT)),
        *(("data_type", _TEXT), ("numeric_precision", _INT), ("numeric_scale", _INT)),
        *(("is_identity", _TEXT), ("identity_generation", _TEXT)),
    ),
    "views": _schema(*_TABLE, ("view_definition", _TEXT)),
    **CONSTRAINT_SCHEMAS,
}
