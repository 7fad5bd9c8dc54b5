"""`information_schema`: the standard's views of the catalog (ISO/IEC 9075-11), with PostgreSQL's columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from flight_server.parser.text.time_travel import with_time_travel
from flight_server.parser.text.type_names import sql_type_name
from flight_server.sql.system.information_columns import COLUMNS_SCHEMA, column_row
from flight_server.sql.system.information_constraints import CONSTRAINT_SCHEMAS, constraint_views
from flight_server.sql.system.information_rest import REST_SCHEMAS, rest_views
from flight_server.sql.system.virtual_rows import table_of
from storage.catalog.catalog import Catalog
from storage.catalog.names import CATALOG, TableName
from storage.catalog.schema import Column, TableKind
from storage.errors import FrostlineError

SCHEMA = "information_schema"
_CHARACTER_SET = "UTF8"
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
        "views": lambda: _views(catalog),
        **rest_views(),
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
        yield CATALOG, name, None, None, None, _CHARACTER_SET, None


def _tables(catalog: Catalog, system: Mapping[TableName, pa.Schema]) -> Iterable[tuple[Any, ...]]:
    for name in sorted((*catalog.tables, *catalog.views, *system)):
        base = "LOCAL TEMPORARY" if name.is_temporary else "BASE TABLE"
        kind = base if name in catalog.tables else "VIEW" if name in catalog.views else "SYSTEM TABLE"
        found = catalog.tables.get(name) or catalog.views.get(name)
        yield (
            *(CATALOG, name.namespace, name.table, kind, None, None, None, None, None),
            *("YES" if name in catalog.tables else "NO", "NO", "PRESERVE" if name.is_temporary else None),
            found.comment if found is not None else "",
        )


def _views(catalog: Catalog) -> Iterable[tuple[Any, ...]]:
    for name, view in sorted(catalog.views.items()):
        yield CATALOG, name.namespace, name.table, with_time_travel(view.sql) or None, "NONE", *("NO",) * 5


def _columns(catalog: Catalog, system: Mapping[TableName, pa.Schema], schema_of: SchemaOf) -> Iterable[tuple[Any, ...]]:
    for table in catalog.tables.values():
        for position, column in enumerate(table.columns, start=1):
            yield column_row(table.name, position, column, is_updatable=table.kind is not TableKind.STREAM)
    schemas = {**{name: _schema_or_none(name, schema_of) for name in catalog.views}, **system}
    for name, schema in schemas.items():
        view = catalog.views.get(name)
        for position, field in enumerate(schema, start=1):
            shown, comment = sql_type_name(field.type), view.comment_of(field.name) if view is not None else ""
            column = Column(name=field.name, physical_name=field.name, type=field.type, sql_type=shown, comment=comment)
            yield column_row(name, position, column, is_updatable=False)


def _schema_or_none(view: TableName, schema_of: SchemaOf) -> pa.Schema:
    """No columns for a view that no longer works: it must not hide the others."""
    try:
        return schema_of(view)
    except FrostlineError:
        return pa.schema([])


def _texts(names: str) -> pa.Schema:
    return pa.schema([(name, _TEXT) for name in names.split()])


def _schema(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema(fields)


_TABLE = (("table_catalog", _TEXT), ("table_schema", _TEXT), ("table_name", _TEXT))
_SCHEMAS = {
    "schemata": _texts(
        "catalog_name schema_name schema_owner default_character_set_catalog default_character_set_schema "
        "default_character_set_name sql_path"
    ),
    "tables": _texts(
        "table_catalog table_schema table_name table_type self_referencing_column_name reference_generation "
        "user_defined_type_catalog user_defined_type_schema user_defined_type_name is_insertable_into is_typed "
        "commit_action table_comment"
    ),
    "columns": COLUMNS_SCHEMA,
    "views": _texts(
        "table_catalog table_schema table_name view_definition check_option is_updatable is_insertable_into "
        "is_trigger_updatable is_trigger_deletable is_trigger_insertable_into"
    ),
    **REST_SCHEMAS,
    **CONSTRAINT_SCHEMAS,
}
