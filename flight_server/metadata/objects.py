"""Object tables list catalogs, namespaces, tables and their types, as the protocol has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from flight_server.metadata.columns import described_schema, described_table
from flight_server.metadata.filters import is_our_catalog, like_one_of
from flight_server.wire.requests import GetDbSchemas, GetTables
from storage.catalog.catalog import Catalog
from storage.catalog.names import CATALOG, TableName
from storage.errors import FrostlineError

TABLE: Final = "TABLE"
LOCAL_TEMPORARY: Final = "LOCAL TEMPORARY"  # as JDBC names it; tools show it among the tables
VIEW: Final = "VIEW"
SYSTEM_TABLE: Final = "SYSTEM TABLE"

CATALOGS_SCHEMA: Final = pa.schema([pa.field("catalog_name", pa.utf8(), nullable=False)])
DB_SCHEMAS_SCHEMA: Final = pa.schema(
    [pa.field("catalog_name", pa.utf8()), pa.field("db_schema_name", pa.utf8(), nullable=False)]
)
TABLE_TYPES_SCHEMA: Final = pa.schema([pa.field("table_type", pa.utf8(), nullable=False)])
TABLES_SCHEMA: Final = pa.schema(
    [
        pa.field("catalog_name", pa.utf8()),
        pa.field("db_schema_name", pa.utf8()),
        pa.field("table_name", pa.utf8(), nullable=False),
        pa.field("table_type", pa.utf8(), nullable=False),
    ]
)
TABLES_WITH_SCHEMA_SCHEMA: Final = TABLES_SCHEMA.append(pa.field("table_schema", pa.binary(), nullable=False))


@dataclass(frozen=True, slots=True)
class Objects:
    """All that has a name, for one caller.

    system:    the system tables and their columns
    schema_of: columns of a view; may raise FrostlineError when what it reads is gone
    shown:     columns in the types that the caller's results have
    """

    catalog: Catalog
    system: Mapping[TableName, pa.Schema]
    schema_of: Callable[[TableName], pa.Schema]
    shown: Callable[[pa.Schema], pa.Schema] = lambda schema: schema

    def namespaces(self) -> list[str]:
        return sorted({*self.catalog.namespaces, *(name.namespace for name in self.system)})

    def tables(self) -> Iterator[tuple[TableName, str]]:
        """Every table with its type, in the order of the answer: namespace, name, type."""
        kinds = [
            *((name, LOCAL_TEMPORARY if name.is_temporary else TABLE) for name in self.catalog.tables),
            *((name, VIEW) for name in self.catalog.views),
            *((name, SYSTEM_TABLE) for name in self.system),
        ]
        yield from sorted(kinds)

    def described(self, name: TableName, table_type: str) -> pa.Schema:
        """Columns as clients see them; none for a view that can't be planned any more."""
        return self.shown(self._described(name, table_type))

    def _described(self, name: TableName, table_type: str) -> pa.Schema:
        if table_type in (TABLE, LOCAL_TEMPORARY):
            return described_table(self.catalog.tables[name])
        try:
            schema = self.system[name] if table_type == SYSTEM_TABLE else self.schema_of(name)
        except FrostlineError:
            schema = pa.schema([])
        view = self.catalog.views.get(name)
        return described_schema(schema, name.namespace, name.table, view.comment_of if view is not None else None)


def catalogs() -> pa.Table:
    return _table(CATALOGS_SCHEMA, [(CATALOG,)])


def db_schemas(objects: Objects, request: GetDbSchemas) -> pa.Table:
    names = objects.namespaces() if is_our_catalog(request.catalog) else []
    fits = like_one_of(request.namespace_pattern, names)
    return _table(DB_SCHEMAS_SCHEMA, [(CATALOG, name) for name in names if fits(name)])


def table_types() -> pa.Table:
    return _table(TABLE_TYPES_SCHEMA, [(LOCAL_TEMPORARY,), (SYSTEM_TABLE,), (TABLE,), (VIEW,)])


def tables(objects: Objects, request: GetTables) -> pa.Table:
    """Filters: patterns by LIKE, table types exact, all of them together."""
    rows = [(CATALOG, name.namespace, name.table, kind) for name, kind in _wanted(objects, request)]
    if not request.include_schema:
        return _table(TABLES_SCHEMA, rows)
    schemas = [objects.described(TableName(row[1], row[2]), row[3]).serialize().to_pybytes() for row in rows]
    return _table(TABLES_WITH_SCHEMA_SCHEMA, [(*row, schema) for row, schema in zip(rows, schemas, strict=True)])


def tables_schema(request: GetTables) -> pa.Schema:
    return TABLES_WITH_SCHEMA_SCHEMA if request.include_schema else TABLES_SCHEMA


def _wanted(objects: Objects, request: GetTables) -> Iterator[tuple[TableName, str]]:
    if not is_our_catalog(request.catalog):
        return
    types = frozenset(request.table_types)
    in_namespace = like_one_of(request.namespace_pattern, objects.namespaces())
    found = [
        (name, kind) for name, kind in objects.tables() if (not types or kind in types) and in_namespace(name.namespace)
    ]
    called = like_one_of(request.table_pattern, [name.table for name, _ in found])
    yield from ((name, kind) for name, kind in found if called(name.table))


def _table(schema: pa.Schema, rows: list[Any]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
