"""What clients stumbled over with other Flight SQL servers, one by one.

The numbers are those of a list of thirty bugs and incompatibilities reported for other servers and drivers. "here"
is a test of this module that has the number in its name; otherwise the table says where it is held.

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

import threading
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.clients.messages import RawClient, ingest
from tests.server_process import REPOSITORY, ServerProcess

PREFIX = b"ARROW:FLIGHT:SQL:"
EVERY_TYPE = (
    "a BOOLEAN, b TINYINT, c SMALLINT, d INTEGER, e BIGINT, f TINYINT UNSIGNED, g BIGINT UNSIGNED, h REAL, i DOUBLE, "
    "j DECIMAL(12, 3), k VARCHAR(20), l UUID, m JSON, n BYTEA, o BINARY(4), p DATE, q TIME, r TIMESTAMP(3), "
    "s TIMESTAMP WITH TIME ZONE, t INTERVAL, u BIGINT[], v STRUCT<x INTEGER>, w MAP<VARCHAR, INTEGER>"
)
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


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> ServerProcess:
    """The server with a namespace that has something of everything."""
    with RawClient(server.uri) as client:
        client.run("CREATE NAMESPACE shop")
        client.run("CREATE TABLE shop.items (id BIGINT PRIMARY KEY, name VARCHAR NOT NULL, price DECIMAL(5, 2))")
        client.run("COMMENT ON COLUMN shop.items.price IS 'in euro'")
        client.run("INSERT INTO shop.items VALUES (1, 'ice', 1.5), (2, 'snow', 2.5)")
        client.run("CREATE VIEW shop.cheap AS SELECT id, name FROM shop.items WHERE price < 2")
        client.run(f"CREATE TABLE shop.everything ({EVERY_TYPE})")
    return server


@pytest.fixture
def client(shop: ServerProcess) -> Iterator[RawClient]:
    with RawClient(shop.uri) as opened:
        yield opened


def schema_of(data: bytes) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(data))


def prepared_query(prepared: Any) -> Any:
    return pb.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle)


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


def test_16_uploads_without_rows_or_without_columns_do_no_harm(client):
    empty = pa.table({"n": pa.array([], pa.int64())})
    assert pb.DoPutUpdateResult.FromString(client.put(ingest("empty", "shop"), empty)).record_count == 0
    assert client.rows("SELECT count(*) AS n FROM shop.empty") == [{"n": 0}]
    with pytest.raises(pa.ArrowInvalid, match="no columns"):
        client.put(ingest("bare", "shop"), pa.table({}))
    prepared = client.prepare("INSERT INTO shop.empty VALUES (5)")
    update = pb.CommandPreparedStatementUpdate(prepared_statement_handle=prepared.prepared_statement_handle)
    assert pb.DoPutUpdateResult.FromString(client.put(update, pa.table({}))).record_count == 1


def test_17_every_upload_has_one_answer(client):
    """`RawClient.put` fails when there is a second one."""
    client.put(ingest("answers", "shop"), pa.table({"n": list(range(10_000))}))
    client.put(pb.CommandStatementUpdate(query="DELETE FROM shop.answers"), pa.table({}))
    prepared = client.prepare("SELECT $1 AS x")
    client.put(prepared_query(prepared), pa.table({"0": [1]}))


def test_18_every_type_that_a_column_names_is_in_the_type_info(client):
    listed = set(client.ask(pb.CommandGetXdbcTypeInfo())["type_name"].to_pylist())
    for row in client.ask(pb.CommandGetTables(include_schema=True)).to_pylist():
        for field in schema_of(row["table_schema"]):
            assert field.metadata[PREFIX + b"TYPE_NAME"].decode() in listed, (row["table_name"], field)
    for field in client.query("SELECT *, NULL AS nothing FROM shop.everything").schema:
        assert field.metadata[PREFIX + b"TYPE_NAME"].decode() in listed, field


def test_19_results_name_the_sql_types_of_their_columns(client):
    schema = client.fetch(client.query("SELECT id, name, price FROM shop.items")).schema
    assert [field.metadata[PREFIX + b"TYPE_NAME"] for field in schema] == [b"BIGINT", b"VARCHAR", b"DECIMAL"]
    assert (schema.field(2).metadata[PREFIX + b"PRECISION"], schema.field(2).metadata[PREFIX + b"SCALE"]) == (
        b"5",
        b"2",
    )


def test_20_without_a_catalog_all_is_listed_and_with_an_empty_one_nothing(client):
    everything = client.ask(pb.CommandGetTables())
    assert everything == client.ask(pb.CommandGetTables(catalog="frostline"))
    assert {"shop", "system", "information_schema"} <= set(everything["db_schema_name"].to_pylist())
    assert client.ask(pb.CommandGetTables(catalog="")).num_rows == 0


def test_21_columns_tell_nullability_remarks_and_auto_increment(client):
    wanted = pb.CommandGetTables(
        include_schema=True, db_schema_filter_pattern="shop", table_name_filter_pattern="items"
    )
    [row] = client.ask(wanted).to_pylist()
    schema = schema_of(row["table_schema"])
    assert [field.nullable for field in schema] == [False, False, True]
    assert schema.field("price").metadata[PREFIX + b"REMARKS"] == b"in euro"
    assert {field.metadata[PREFIX + b"IS_AUTO_INCREMENT"] for field in schema} == {b"0"}


def test_22_no_views_of_text_or_binary_leave_the_server(client):
    client.run("CREATE TABLE IF NOT EXISTS shop.cold (s VARCHAR, b BYTEA)")
    client.run("INSERT INTO shop.cold VALUES ('a', X'00')")
    [job] = client.rows("FLUSH TABLE shop.cold")
    client.rows(f"WAIT FOR JOB '{job['job_id']}'")
    for sql in (
        "SELECT s, b, s || 'x' AS t, upper(s) AS u, substr(s, 1) AS v, CAST(b AS VARCHAR) AS w FROM shop.cold",
        "SELECT arrow_cast('x', 'Utf8View') AS s, arrow_cast('x', 'BinaryView') AS b",
        "SELECT make_array(arrow_cast('x', 'Utf8View')) AS l, split_part('a,b', ',', 1) AS p",
        "SELECT 'literal' AS s, string_agg(s, ',') AS g FROM shop.cold",
    ):
        info = client.query(sql)
        for schema in (info.schema, client.fetch(info).schema):
            assert "view" not in str(schema.types), sql


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT 1 +", "", "-- nothing", "SELECT (1", "SELECT 'x", "INSERT"])
def test_24_a_text_that_can_not_be_parsed_is_an_invalid_argument(client, sql):
    for asked in (client.query, client.prepare, client.run):
        with pytest.raises(pa.ArrowInvalid, match=r"\[42601\]") as refused:
            asked(sql)
        assert "Unexpected error" not in str(refused.value)
        assert "Traceback" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "sqlstate"),
    [("1000.00", "22003"), ("-99999999999999999999", "22003"), ("1e37", "22003"), ("0.001", "22P02")],
)
def test_25_a_bound_decimal_that_does_not_fit_is_refused_and_nothing_is_stored(client, value, sqlstate):
    client.run("CREATE OR REPLACE TABLE shop.narrow (price DECIMAL(5, 2))")
    prepared = client.prepare("INSERT INTO shop.narrow VALUES (?)")
    command = pb.CommandPreparedStatementUpdate(prepared_statement_handle=prepared.prepared_statement_handle)
    with pytest.raises(pa.ArrowInvalid, match=rf"\[{sqlstate}\].*'price'"):
        client.put(command, pa.table({"0": pa.array([Decimal(value)], pa.decimal256(76, 10))}))
    assert client.rows("SELECT count(*) AS n FROM shop.narrow") == [{"n": 0}]


def test_25_an_integer_that_fits_a_decimal_is_taken(client):
    client.run("CREATE OR REPLACE TABLE shop.narrow (price DECIMAL(5, 2))")
    prepared = client.prepare("INSERT INTO shop.narrow VALUES (?)")
    command = pb.CommandPreparedStatementUpdate(prepared_statement_handle=prepared.prepared_statement_handle)
    client.put(command, pa.table({"0": [999]}))
    with pytest.raises(pa.ArrowInvalid, match=r"\[22003\]"):
        client.put(command, pa.table({"0": [1000]}))
    assert client.rows("SELECT price FROM shop.narrow") == [{"price": Decimal("999.00")}]


def test_26_rows_of_megabytes_come_in_messages_that_adbc_takes(shop):
    """Its limit for a message is 16 MiB."""
    with shop.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT repeat('x', 1000000) || value AS big FROM generate_series(1, 60)")
        sizes = [batch.nbytes for batch in cursor.fetch_record_batch()]
    assert sum(sizes) > 60_000_000
    assert max(sizes) < 8 << 20


def test_26_headers_of_several_kilobytes_are_taken(shop):
    with RawClient(shop.uri, ((b"x-claims", b"c" * 6000),)) as client:
        assert client.rows("SELECT 1 AS one") == [{"one": 1}]


def test_26_an_error_about_a_very_long_text_fits_into_the_headers(shop):
    with shop.connect() as connection, connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error, match=r"\[42"):
            cursor.execute(f'SELECT "{"x" * 50_000}" FROM shop.items')
        cursor.execute("SELECT 1 AS one")
        assert cursor.fetchone() == (1,)


def test_27_streams_with_and_without_dictionaries_do_not_block_each_other(shop):
    texts = (
        "SELECT value AS n FROM generate_series(1, 200000)",
        "SELECT arrow_cast('w' || (value % 10), 'Dictionary(Int32, Utf8)') AS w FROM generate_series(1, 200000)",
    )
    counts: list[int] = []

    def read(sql: str) -> None:
        with RawClient(shop.uri) as client:
            counts.append(client.fetch(client.query(sql)).num_rows)

    threads = [threading.Thread(target=read, args=(texts[i % 2],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counts == [200_000] * 8


def test_28_errors_of_get_schema_have_their_status_and_text(client):
    with pytest.raises(KeyError, match=r"\[42P01\].*nowhere"):
        client.schema(pb.CommandStatementQuery(query="SELECT * FROM nowhere"))
    with pytest.raises(pa.ArrowInvalid, match=r"\[42601\]"):
        client.schema(pb.CommandStatementQuery(query="SELEC"))
    with pytest.raises(KeyError, match=r"\[26000\]"):
        client.schema(pb.CommandPreparedStatementQuery(prepared_statement_handle=b"unknown"))


def test_29_asking_for_session_options_again_and_again_makes_no_sessions(client):
    before = client.rows("SELECT count(*) AS n FROM system.sessions")
    for _ in range(50):
        [body] = client.act("GetSessionOptions")
        assert "schema" in pb.GetSessionOptionsResult.FromString(body).session_options
    assert client.rows("SELECT count(*) AS n FROM system.sessions") == before


def test_30_transactions_are_advertised_so_that_the_dbapi_does_not_warn(shop):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with shop.connect() as connection:
            connection.adbc_connection.set_autocommit(False)
            connection.rollback()


def test_30_a_conflict_is_told_at_the_statement_so_that_the_connection_lives_on(shop):
    from adbc_driver_flightsql import dbapi

    login = {"username": "root", "password": shop.root_password or ""}
    with shop.connect() as other, dbapi.connect(shop.uri, db_kwargs=login) as manual:
        with manual.cursor() as mine, other.cursor() as theirs:
            mine.execute("SELECT count(*) AS n FROM shop.items")
            mine.fetchall()
            theirs.execute("UPDATE shop.items SET price = 3 WHERE id = 1")
            with pytest.raises(adbc_driver_manager.Error, match=r"\[40001\]"):
                mine.execute("UPDATE shop.items SET price = 4 WHERE id = 1")
        manual.rollback()
        with manual.cursor() as mine:
            mine.execute("UPDATE shop.items SET price = 4 WHERE id = 1")
            manual.commit()


def test_30_the_documents_warn_of_jdbcs_default_encryption():
    pages = [page.read_text(encoding="utf-8") for page in (REPOSITORY / "docs").rglob("*.md")]
    assert any("useEncryption=false" in page for page in pages)
