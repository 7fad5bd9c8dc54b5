"""Key tables list primary keys, and foreign keys, which are NOT ENFORCED."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from flight_server.metadata.filters import is_our_catalog
from flight_server.wire.requests import GetForeignKeys, GetPrimaryKeys
from storage.catalog.catalog import Catalog
from storage.catalog.constraints import Constraint, ForeignRule
from storage.catalog.names import CATALOG, TableName
from storage.catalog.references import foreign_keys, key_referred_to
from storage.catalog.schema import TableDef

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
_RULES: Final = {  # the protocol's UpdateDeleteRules
    ForeignRule.CASCADE: 0,
    ForeignRule.RESTRICT: 1,
    ForeignRule.SET_NULL: 2,
    ForeignRule.NO_ACTION: 3,
    ForeignRule.SET_DEFAULT: 4,
}
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
            "key_name": table.primary_key_name,
        }
        for table in (catalog.tables[name] for name in _named(catalog, request))
        for place, column in enumerate(table.primary_key, start=1)
    ]
    return pa.Table.from_pylist(rows, schema=PRIMARY_KEYS_SCHEMA)


def foreign_key_rows(catalog: Catalog, request: GetForeignKeys) -> pa.Table:
    """Names are exact. Keys that a table exports come in the order of those who refer to it, imported ones in that of
    what they refer to."""
    referred = None if request.referred is None else _named(catalog, request.referred)
    referring = None if request.referring is None else _named(catalog, request.referring)
    rows = [
        row
        for table in catalog.tables.values()
        if referring is None or table.name in referring
        for constraint in foreign_keys(table)
        if referred is None or (constraint.reference is not None and constraint.reference.table in referred)
        for row in _foreign_key(catalog, table, constraint)
    ]
    side = "pk" if request.referred is None else "fk"
    order = (f"{side}_db_schema_name", f"{side}_table_name", f"{side}_key_name", "fk_key_name", "key_sequence")
    return pa.Table.from_pylist(sorted(rows, key=lambda row: [row[n] for n in order]), schema=FOREIGN_KEYS_SCHEMA)


def _foreign_key(catalog: Catalog, table: TableDef, constraint: Constraint) -> Iterator[dict[str, Any]]:
    """A row for each of its columns."""
    assert constraint.reference is not None
    target, reference = catalog.tables[constraint.reference.table], constraint.reference
    for place, (column, referred) in enumerate(zip(constraint.columns, reference.columns, strict=True), start=1):
        yield {
            "pk_catalog_name": CATALOG,
            "pk_db_schema_name": target.name.namespace,
            "pk_table_name": target.name.table,
            "pk_column_name": referred,
            "fk_catalog_name": CATALOG,
            "fk_db_schema_name": table.name.namespace,
            "fk_table_name": table.name.table,
            "fk_column_name": column,
            "key_sequence": place,
            "fk_key_name": constraint.name,
            "pk_key_name": key_referred_to(constraint, target),
            "update_rule": _RULES[reference.on_update],
            "delete_rule": _RULES[reference.on_delete],
        }


def _named(catalog: Catalog, request: GetPrimaryKeys) -> list[TableName]:
    """The tables that are meant: by their names, else by names in capitals (see `like_one_of`)."""
    if not is_our_catalog(request.catalog):
        return []
    for fits in (str.__eq__, _fits_in_capitals):
        found = [
            name
            for name in sorted(catalog.tables)
            if fits(request.table, name.table)
            and (request.namespace is None or fits(request.namespace, name.namespace))
        ]
        if found:
            return found
    return []


def _fits_in_capitals(asked: str, name: str) -> bool:
    return asked == name or (asked.isupper() and asked.casefold() == name.casefold())
