"""What clients stumbled over with other Flight SQL servers, one by one.

The numbers are those of a list of thirty bugs and incompatibilities reported for other servers and drivers. "here"
has the number in its name: up to 14 in this module, from 16 on in test_reported_incompatibilities_in_use.
Otherwise the table says where it is held.

| no | what went wrong elsewhere | held by |
| --- | --- | --- |
| 1 | schema of FlightInfo, GetSchema, prepared statement and stream differ | here |
| 2 | GetTables with and without schemas | here |
| 3 | metadata columns of another type or nullability | here |
| 4 | table_schema framed wrongly | here |
| 5 | JDBC wants exact column names | jdbc: Tree |
| 6 | metadata tickets do not come back as they went | here |
| 7 | no parameter schema | here; jdbc: Parameters |
| 8 | parameters of null type | here; jdbc: Parameters |
| 9 | JDBC takes DML for a query | here; jdbc: Updates |
| 10 | JDBC prepares everything | here |
| 11 | schema after binding | here |
| 12 | a bind that is answered without handle | here |
| 13 | an ingest that names no transaction while one is open; BEGIN in BEGIN | here |
| 14 | repeated temporary ingest | here |
| 15 | half an upload committed | wire/test_service: an_upload_whose_sender_dies, .._past_its_deadline |
| 16 | an upload without rows | here |
| 17 | more than one answer to a DoPut | here |
| 18 | types missing from GetXdbcTypeInfo | here |
| 19 | no TYPE_NAME on results | here |
| 20 | GetTables without catalog | here |
| 21 | nullability, remarks and auto-increment of columns | here; jdbc: Tree |
| 22 | views of text and binary, which old clients can't read | here |
| 23 | timestamps with zone in JDBC | jdbc: Times, TimesElsewhere |
| 24 | parser errors as internal errors | here |
| 25 | decimals that overflow | here |
| 26 | messages and headers that are too large | here |
| 27 | streams that block each other; dictionaries | here |
| 28 | errors of GetSchema | here |
| 29 | asking for session options makes sessions | here |
| 30 | transactions not advertised; a failed COMMIT; nested types in ingest; TLS as default | here; python: ingest |
"""

from __future__ import annotations

import pyarrow as pa
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.clients.messages import RawClient, ingest, prepared_query, schema_of

METADATA = (
    pb.CommandGetCatalogs(),
    pb.CommandGetDbSchemas(),
    pb.CommandGetTables(include_schema=True),
    pb.CommandGetTables(include_schema=False),
    pb.CommandGetTableTypes(),
    pb.CommandGetPrimaryKeys(table="items", db_schema="shop"),
    pb.CommandGetExportedKeys(table="items"),
    pb.CommandGetImportedKeys(table="items"),
    pb.CommandGetCrossReference(pk_table="items", fk_table="items"),
    pb.CommandGetSqlInfo(),
    pb.CommandGetXdbcTypeInfo(),
)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM shop.items",
        "SELECT * FROM shop.everything",
        "SELECT id, upper(name) AS name, price * 2 AS twice FROM shop.items WHERE id > 1",
        "SELECT count(*) AS n, sum(price) AS total FROM shop.items GROUP BY name",
        "SELECT * FROM shop.cheap",
        "SELECT NULL AS nothing, arrow_cast('x', 'Dictionary(Int32, Utf8)') AS word",
        "SELECT * FROM system.tables",
        "SELECT * FROM information_schema.columns",
        "SHOW TABLES",
        "DESCRIBE shop.items",
        "EXPLAIN SELECT * FROM shop.items",
        "SELECT * FROM shop.items WHERE false",
    ],
)
def test_01_one_schema_everywhere_byte_for_byte(client, sql):
    prepared = client.prepare(sql)
    info = client.query(sql)
    by_handle = client.info(prepared_query(prepared))
    shown = {
        "FlightInfo": info.schema,
        "FlightInfo of the prepared": by_handle.schema,
        "GetSchema": client.schema(pb.CommandStatementQuery(query=sql)),
        "GetSchema of the prepared": client.schema(prepared_query(prepared)),
        "dataset_schema": schema_of(prepared.dataset_schema),
        "stream": client.fetch(info).schema,
        "stream of the prepared": client.fetch(by_handle).schema,
    }
    serialized = {name: schema.serialize().to_pybytes() for name, schema in shown.items()}
    assert {name for name, data in serialized.items() if data != prepared.dataset_schema} == set()


def test_02_tables_have_four_columns_or_five_with_schemas(client):
    four = client.ask(pb.CommandGetTables(include_schema=False))
    five = client.ask(pb.CommandGetTables(include_schema=True))
    assert four.schema.names == ["catalog_name", "db_schema_name", "table_name", "table_type"]
    assert five.schema.names == [*four.schema.names, "table_schema"]
    assert four.num_rows == five.num_rows > 10


def told(schema: pa.Schema) -> list[str]:
    return [f"{field.name} {field.type}{'' if field.nullable else ' not null'}" for field in schema]


def test_03_metadata_has_exactly_the_types_and_nullability_of_the_protocol(client):
    assert told(client.ask(pb.CommandGetCatalogs()).schema) == ["catalog_name string not null"]
    assert told(client.ask(pb.CommandGetDbSchemas()).schema) == [
        "catalog_name string",
        "db_schema_name string not null",
    ]
    assert told(client.ask(pb.CommandGetTables(include_schema=True)).schema) == [
        "catalog_name string",
        "db_schema_name string",
        "table_name string not null",
        "table_type string not null",
        "table_schema binary not null",
    ]
    assert told(client.ask(pb.CommandGetTableTypes()).schema) == ["table_type string not null"]
    assert told(client.ask(pb.CommandGetPrimaryKeys(table="items")).schema) == [
        "catalog_name string",
        "db_schema_name string",
        "table_name string not null",
        "column_name string not null",
        "key_sequence int32 not null",
        "key_name string",
    ]
    assert told(client.ask(pb.CommandGetSqlInfo(info=[0])).schema)[0] == "info_name uint32 not null"


def test_04_table_schemas_can_be_read_as_a_message_and_as_a_stream(client):
    rows = client.ask(pb.CommandGetTables(include_schema=True, db_schema_filter_pattern="shop")).to_pylist()
    assert {row["table_name"] for row in rows} == {"items", "cheap", "everything"}
    for row in rows:
        as_message = schema_of(row["table_schema"])
        as_stream = pa.ipc.open_stream(row["table_schema"] + b"\xff\xff\xff\xff\0\0\0\0").schema
        assert as_message == as_stream
        assert len(as_message) > 1


@pytest.mark.parametrize("command", METADATA, ids=lambda command: type(command).__name__)
def test_06_metadata_tickets_come_back_as_they_went(client, command):
    info = client.info(command)
    assert len(info.endpoints) == 1
    assert client.fetch(info).schema == info.schema == client.schema(command)


def test_07_and_08_parameters_have_a_place_and_a_type_each(client):
    for sql, types in (
        ("SELECT * FROM shop.items WHERE id = ? AND price > ?", [pa.int64(), pa.decimal128(5, 2)]),
        ("INSERT INTO shop.items VALUES (?, ?, ?)", [pa.int64(), pa.string(), pa.decimal128(5, 2)]),
        ("UPDATE shop.items SET name = $2 WHERE id = $1", [pa.int64(), pa.string()]),
        ("SELECT ?, ?", [pa.string(), pa.string()]),
        ("SELECT 1 WHERE ? IS NULL", [pa.string()]),
        ("DELETE FROM shop.items WHERE name LIKE ?", [pa.string()]),
    ):
        parameters = schema_of(client.prepare(sql).parameter_schema)
        assert parameters.types == types, sql
        assert all(field.nullable for field in parameters)


def test_09_a_change_has_no_columns_and_says_that_it_is_one(client):
    change = client.prepare("DELETE FROM shop.items WHERE id = 99")
    assert change.is_update
    assert len(schema_of(change.dataset_schema)) == 0
    query = client.prepare("SELECT 1 AS one")
    assert not query.is_update
    assert query.HasField("is_update")
    returning = client.prepare("DELETE FROM shop.items WHERE id = 99 RETURNING id")
    assert not returning.is_update
    assert schema_of(returning.dataset_schema).names == ["id"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE IF NOT EXISTS shop.prepared (n INTEGER)",
        "BEGIN",
        "SET durability = 'relaxed'",
        "USE shop",
        "SHOW schema",
        "FLUSH TABLE shop.items",
        "EXPLAIN SELECT 1",
        "DROP TABLE IF EXISTS shop.prepared",
        "SELECT 1; SELECT 2",
    ],
)
def test_10_whatever_can_be_run_can_be_prepared(client, sql):
    prepared = client.prepare(sql)
    if prepared.is_update:
        handle = prepared.prepared_statement_handle
        client.put(pb.CommandPreparedStatementUpdate(prepared_statement_handle=handle), pa.table({}))
    else:
        client.fetch(client.info(prepared_query(prepared)))


@pytest.mark.parametrize("sql", ["SELECT $1 AS x", "SELECT $1 + 1 AS x", "SELECT $1 * 2 AS x, 'a' AS y"])
def test_11_after_binding_the_schema_is_that_of_the_bound_values(client, sql):
    prepared = client.prepare(sql)
    client.put(prepared_query(prepared), pa.table({"0": [1.5]}))
    info = client.info(prepared_query(prepared))
    assert info.schema.field("x").type == pa.float64()
    assert client.schema(prepared_query(prepared)) == info.schema == client.fetch(info).schema


def test_12_a_bind_is_answered_with_the_handle(client):
    prepared = client.prepare("SELECT $1 AS x")
    answer = pb.DoPutPreparedStatementResult.FromString(client.put(prepared_query(prepared), pa.table({"0": [1]})))
    assert answer.prepared_statement_handle == prepared.prepared_statement_handle


def test_13_an_ingest_that_names_no_transaction_joins_the_open_one(client, shop):
    client.run("BEGIN")
    client.put(ingest("joined", "shop"), pa.table({"n": [1]}))
    assert client.rows("SELECT count(*) AS n FROM shop.joined") == [{"n": 1}]
    with pytest.raises(pa.ArrowInvalid, match=r"\[2500"):
        client.run("BEGIN")
    client.run("ROLLBACK")
    with RawClient(shop.uri) as other, pytest.raises(KeyError, match="42P01"):
        other.query("SELECT * FROM shop.joined")


def test_14_a_temporary_ingest_can_be_repeated(client, shop):
    message = ingest("passing", "shop")
    message.ClearField("schema")
    message.temporary = True
    message.table_definition_options.if_exists = 3  # replace
    for rows in (1, 2, 3):
        client.put(message, pa.table({"n": list(range(rows))}))
        assert client.rows("SELECT count(*) AS n FROM passing") == [{"n": rows}]
    with RawClient(shop.uri) as other, pytest.raises(KeyError, match="42P01"):
        other.query("SELECT * FROM passing")
