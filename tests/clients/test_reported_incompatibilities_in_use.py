"""The second half of what test_reported_incompatibilities lists: uploads, types, texts, limits, sessions."""

from __future__ import annotations

import threading
import warnings
from decimal import Decimal

import adbc_driver_manager
import pyarrow as pa
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.clients.messages import RawClient, ingest, prepared_query, schema_of
from tests.support.server_process import REPOSITORY

PREFIX = b"ARROW:FLIGHT:SQL:"


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
