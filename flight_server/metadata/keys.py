"""Primary keys; and foreign keys, of which there are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from flight_server.metadata.filters import is_our_catalog
from flight_server.wire.requests import GetPrimaryKeys
from storage.catalog import Catalog
from storage.names import CATALOG
from storage.schema import TableDef

PRIMARY_KEYS_SCHEMA: Final = pa.schema(
    [
        pa.field("catalog_name", pa.utf8()),
        pa.field("db_schema_name", pa.utf8()),
        pa.field("table_name", pa.utf8(), nullable=False),
        pa.field("column_name", pa.utf8(), nullable=False),
        pa.field("key_sequence", pa.int32(), nullable=False),
        pa.field("key_name", pa.utf8()),
    ]
)
FOREIGN_KEYS_SCHEMA: Final = pa.schema(
    [
        pa.field("pk_catalog_name", pa.utf8()),
        pa.field("pk_db_schema_name", pa.utf8()),
        pa.field("pk_table_name", pa.utf8(), nullable=False),
        pa.field("pk_column_name", pa.utf8(), nullable=False),
        pa.field("fk_catalog_name", pa.utf8()),
        pa.field("fk_db_schema_name", pa.utf8()),
        pa.field("fk_table_name", pa.utf8(), nullable=False),
        pa.field("fk_column_name", pa.utf8(), nullable=False),
        pa.field("key_sequence", pa.int32(), nullable=False),
        pa.field("fk_key_name", pa.utf8()),
        pa.field("pk_key_name", pa.utf8()),
        pa.field("update_rule", pa.uint8(), nullable=False),
        pa.field("delete_rule", pa.uint8(), nullable=False),
    ]
)


def primary_keys(catalog: Catalog, request: GetPrimaryKeys) -> pa.Table:
    """Names are exact here. A table that does not exist has no keys; sequence numbers start at 1."""
    rows = [
        {
            "catalog_name": CATALOG,
            "db_schema_name": table.name.namespace,
            "table_name": table.name.table,
            "column_name": column,
            "key_sequence": place,
            "key_name": f"{table.name.table}_pkey",
        }
        for table in _named(catalog, request)
        for place, column in enumerate(table.primary_key, start=1)
    ]
    return pa.Table.from_pylist(rows, schema=PRIMARY_KEYS_SCHEMA)


def foreign_keys() -> pa.Table:
    return FOREIGN_KEYS_SCHEMA.empty_table()


def _named(catalog: Catalog, request: GetPrimaryKeys) -> Iterator[TableDef]:
    if not is_our_catalog(request.catalog):
        return
    for name in sorted(catalog.tables):
        if name.table == request.table and request.namespace in (None, name.namespace):
            yield catalog.tables[name]
