"""Catalogs, namespaces, tables and keys: exact schemas, exact filters, sorted."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pytest

from flight_server.metadata.keys import FOREIGN_KEYS_SCHEMA, foreign_key_rows, primary_keys
from flight_server.metadata.objects import Objects, catalogs, db_schemas, table_types, tables
from flight_server.wire.requests import GetDbSchemas, GetForeignKeys, GetPrimaryKeys, GetTables
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName, table_name
from storage.catalog.schema import Column, NamespaceDef, TableDef, TableKind, ViewDef
from storage.catalog.table_options import TableOptions
from storage.errors import NotFound

REMARKS = b"ARROW:FLIGHT:SQL:REMARKS"
COLUMNS = (
    Column(name="id", physical_name="c1", type=pa.int64(), sql_type="BIGINT", nullable=False),
    Column(name="part", physical_name="c2", type=pa.int32(), sql_type="INTEGER", nullable=False),
    Column(name="price", physical_name="c3", type=pa.decimal128(10, 2), sql_type="DECIMAL(10,2)", comment="in EUR"),
)


def definition(namespace: str, name: str) -> TableDef:
    return TableDef(
        table_id=1,
        name=table_name(namespace, name),
        kind=TableKind.SHARED,
        columns=COLUMNS,
        options=TableOptions(),
        primary_key=("part", "id"),
    )


def gone(name: TableName) -> pa.Schema:
    raise NotFound(f"table under '{name}' does not exist")


@pytest.fixture
def objects() -> Objects:
    catalog = Catalog().with_namespace(NamespaceDef(name="sales"))
    for namespace, name in [("sales", "orders"), ("public", "b_1"), ("public", "bx1"), ("public", "a")]:
        catalog = catalog.with_table(definition(namespace, name))
    view = ViewDef(name=table_name("public", "v"), sql="SELECT 1", default_namespace="public")
    catalog = catalog.with_view(view, or_replace=False)
    system = {TableName("system", "jobs"): pa.schema([pa.field("job_id", pa.utf8(), nullable=False)])}
    return Objects(catalog, system, lambda _: pa.schema([("one", pa.int64())]))


def names(table: pa.Table) -> list[str]:
    return [f"{row['db_schema_name']}.{row['table_name']}" for row in table.to_pylist()]


def utf8(name: str, *, nullable: bool = True) -> pa.Field:
    return pa.field(name, pa.utf8(), nullable)


def test_catalogs_and_table_types_have_the_exact_schema():
    assert catalogs().schema == pa.schema([utf8("catalog_name", nullable=False)])
    assert catalogs().to_pylist() == [{"catalog_name": "frostline"}]
    assert table_types().schema == pa.schema([utf8("table_type", nullable=False)])
    assert table_types().column(0).to_pylist() == ["LOCAL TEMPORARY", "SYSTEM TABLE", "TABLE", "VIEW"]


def test_namespaces_are_listed_sorted_with_the_system_ones(objects):
    table = db_schemas(objects, GetDbSchemas())
    assert table.schema == pa.schema([utf8("catalog_name"), utf8("db_schema_name", nullable=False)])
    assert table.column(1).to_pylist() == ["public", "sales", "system"]
    assert set(table.column(0).to_pylist()) == {"frostline"}


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (GetDbSchemas("frostline", "s%"), ["sales", "system"]),
        (GetDbSchemas("", None), []),
        (GetDbSchemas("other", None), []),
        (GetDbSchemas(None, "public"), ["public"]),
        (GetDbSchemas(None, ""), []),
    ],
)
def test_namespaces_are_filtered(objects, request_, found):
    assert db_schemas(objects, request_).column(1).to_pylist() == found


def test_tables_have_four_columns_or_five(objects):
    four = [utf8("catalog_name"), utf8("db_schema_name"), utf8("table_name", nullable=False)]
    four.append(utf8("table_type", nullable=False))
    assert tables(objects, GetTables()).schema == pa.schema(four)
    five = [*four, pa.field("table_schema", pa.binary(), nullable=False)]
    assert tables(objects, GetTables(include_schema=True)).schema == pa.schema(five)
    nothing = GetTables(table_pattern="nothing", include_schema=True)
    assert tables(objects, nothing).schema == pa.schema(five)


def test_tables_are_sorted_and_of_all_kinds(objects):
    table = tables(objects, GetTables())
    assert names(table) == ["public.a", "public.b_1", "public.bx1", "public.v", "sales.orders", "system.jobs"]
    assert table.column("table_type").to_pylist() == ["TABLE", "TABLE", "TABLE", "VIEW", "TABLE", "SYSTEM TABLE"]


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (GetTables(table_pattern="b_1"), ["public.b_1", "public.bx1"]),
        (GetTables(table_pattern="b\\_1"), ["public.b_1"]),
        (GetTables(namespace_pattern="s%", table_types=("TABLE",)), ["sales.orders"]),
        (GetTables(table_types=("VIEW", "SYSTEM TABLE")), ["public.v", "system.jobs"]),
        (GetTables(table_types=("view",)), []),
        (GetTables(catalog=""), []),
        (GetTables(table_pattern="SELECT * FROM a WHERE x LIKE '%'"), []),
    ],
)
def test_tables_are_filtered(objects, request_, found):
    assert names(tables(objects, request_)) == found


def test_the_schema_of_a_table_tells_types_digits_and_remarks(objects):
    [row] = tables(objects, GetTables(table_pattern="orders", include_schema=True)).to_pylist()
    schema = pa.ipc.read_schema(pa.py_buffer(row["table_schema"]))
    assert [(f.name, f.type, f.nullable) for f in schema] == [(c.name, c.type, c.nullable) for c in COLUMNS]
    price = {
        key.decode().removeprefix("ARROW:FLIGHT:SQL:"): value for key, value in schema.field("price").metadata.items()
    }
    assert price["TYPE_NAME"] == b"DECIMAL"
    assert (price["PRECISION"], price["SCALE"]) == (b"10", b"2")
    assert price["REMARKS"] == b"in EUR"
    assert (price["CATALOG_NAME"], price["DB_SCHEMA_NAME"], price["TABLE_NAME"]) == (b"frostline", b"sales", b"orders")
    assert price["IS_AUTO_INCREMENT"] == b"0"
    assert REMARKS not in schema.field("id").metadata


def test_views_and_system_tables_have_their_columns_too(objects):
    rows = tables(objects, GetTables(table_types=("VIEW", "SYSTEM TABLE"), include_schema=True)).to_pylist()
    assert [pa.ipc.read_schema(pa.py_buffer(row["table_schema"])).names for row in rows] == [["one"], ["job_id"]]


def test_columns_of_a_view_have_their_comments_as_remarks(objects):
    view = objects.catalog.view(table_name("public", "v")).commented("one", "the one")
    commented = Objects(objects.catalog.with_view(view, or_replace=True), objects.system, objects.schema_of)
    [row] = tables(commented, GetTables(table_types=("VIEW",), include_schema=True)).to_pylist()
    assert pa.ipc.read_schema(pa.py_buffer(row["table_schema"])).field("one").metadata[REMARKS] == b"the one"


def test_a_view_that_can_not_be_planned_is_listed_without_columns(objects):
    broken = Objects(objects.catalog, objects.system, gone)
    [row] = tables(broken, GetTables(table_types=("VIEW",), include_schema=True)).to_pylist()
    assert len(pa.ipc.read_schema(pa.py_buffer(row["table_schema"]))) == 0


def test_primary_keys_come_in_key_order_from_one(objects):
    table = primary_keys(objects.catalog, GetPrimaryKeys("frostline", "sales", "orders"))
    assert [(r["column_name"], r["key_sequence"], r["key_name"]) for r in table.to_pylist()] == [
        ("part", 1, "orders_pkey"),
        ("id", 2, "orders_pkey"),
    ]
    assert table.schema.names[-2:] == ["key_sequence", "key_name"]
    assert table.schema.field("key_sequence") == pa.field("key_sequence", pa.int32(), nullable=False)


def test_primary_keys_take_names_exactly(objects):
    for request in (
        GetPrimaryKeys(None, None, "b%"),
        GetPrimaryKeys("", None, "orders"),
        GetPrimaryKeys(None, "public", "orders"),
        GetPrimaryKeys(None, None, "v"),
    ):
        assert primary_keys(objects.catalog, request).num_rows == 0


def test_a_table_without_a_key_has_no_rows(objects):
    plain = msgspec.structs.replace(definition("public", "plain"), primary_key=())
    assert primary_keys(objects.catalog.with_table(plain), GetPrimaryKeys(None, None, "plain")).num_rows == 0


def test_without_foreign_keys_there_are_no_rows_but_their_schema_is_exact(objects):
    assert foreign_key_rows(objects.catalog, GetForeignKeys()).num_rows == 0
    assert foreign_key_rows(objects.catalog, GetForeignKeys()).schema == FOREIGN_KEYS_SCHEMA
    assert len(FOREIGN_KEYS_SCHEMA) == 13
    assert [f.name for f in FOREIGN_KEYS_SCHEMA if not f.nullable] == [
        "pk_table_name",
        "pk_column_name",
        "fk_table_name",
        "fk_column_name",
        "key_sequence",
        "update_rule",
        "delete_rule",
    ]
