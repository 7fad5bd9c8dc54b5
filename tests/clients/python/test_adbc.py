"""ADBC's DBAPI: statements, parameters, metadata, partitions, cancelling."""

from __future__ import annotations

import threading
import time
from decimal import Decimal

import adbc_driver_manager
import pyarrow as pa
import pytest

ENDLESS = (
    "SELECT count(*) AS n FROM generate_series(1, 10000000) AS a(v), generate_series(1, 1000) AS b(w) "
    "WHERE a.v % 7 < b.w"
)


def run(cursor, sql: str) -> list[tuple]:
    """Errors may come with the first row only."""
    cursor.execute(sql)
    return cursor.fetchall()


@pytest.fixture
def items(cursor):
    """A table, a view and a comment."""
    cursor.execute("CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR(20) NOT NULL, price DECIMAL(9, 2))")
    cursor.execute("COMMENT ON COLUMN items.price IS 'in euro'")
    cursor.execute("CREATE VIEW cheap AS SELECT id, name FROM items WHERE price < 2")
    cursor.execute("INSERT INTO items VALUES (1, 'ice', 1.50), (2, 'snow', 2.50), (3, 'hail', NULL)")
    return cursor


def test_the_driver_is_told_who_we_are(db):
    info = db.adbc_get_info()
    assert info["vendor_name"] == "Frostline"
    assert info["vendor_version"]
    assert info["vendor_arrow_version"] == pa.__version__


def test_rows_come_in_every_way_to_fetch(items):
    items.execute("SELECT id, name FROM items ORDER BY id")
    assert items.fetchone() == (1, "ice")
    assert items.fetchmany(1) == [(2, "snow")]
    assert items.fetchall() == [(3, "hail")]
    items.execute("SELECT id FROM items ORDER BY id")
    assert items.fetch_arrow_table()["id"].to_pylist() == [1, 2, 3]
    items.execute("SELECT id FROM items ORDER BY id")
    assert [row for batch in items.fetch_record_batch() for row in batch["id"].to_pylist()] == [1, 2, 3]
    items.execute("SELECT id FROM items ORDER BY id")
    assert items.fetch_df()["id"].tolist() == [1, 2, 3]
    items.execute("SELECT id FROM items ORDER BY id")
    assert items.fetch_polars()["id"].to_list() == [1, 2, 3]


def test_columns_are_described_with_their_sql_types(items):
    items.execute("SELECT id, name, price FROM items")
    assert [column[0] for column in items.description] == ["id", "name", "price"]
    schema = items.fetch_arrow_table().schema
    notes = [field.metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] for field in schema]
    assert notes == [b"BIGINT", b"VARCHAR", b"DECIMAL"]
    assert schema.field("price").metadata[b"ARROW:FLIGHT:SQL:PRECISION"] == b"9"
    assert b"ARROW:FLIGHT:SQL:REMARKS" not in schema.field("price").metadata


def test_counts_come_back_from_changes(items):
    items.execute("UPDATE items SET price = 9 WHERE id > 1")
    assert items.rowcount == 2
    items.execute("DELETE FROM items WHERE id = ?", (1,))
    assert items.rowcount == 1
    items.executemany("INSERT INTO items VALUES (?, ?, ?)", [(10, "a", Decimal("1.00")), (11, "b", None)])
    assert items.rowcount == 2


def test_parameters_stand_where_they_are_numbered(items):
    items.execute("SELECT name FROM items WHERE id = $2 OR name = $1 ORDER BY id", ("ice", 3))
    assert items.fetchall() == [("ice",), ("hail",)]


def test_preparing_tells_the_parameters_and_the_columns(items):
    parameters = items.adbc_prepare("SELECT name FROM items WHERE id = ? AND price > ?")
    assert [field.type for field in parameters] == [pa.int64(), pa.decimal128(9, 2)]
    schema = items.adbc_execute_schema("SELECT name, price FROM items")
    assert schema == pa.schema([pa.field("name", pa.string(), nullable=False), ("price", pa.decimal128(9, 2))])


def test_a_script_runs_all_of_its_statements(cursor):
    cursor.executescript("CREATE TABLE one (n INTEGER); INSERT INTO one VALUES (1); INSERT INTO one VALUES (2);")
    cursor.execute("SELECT sum(n) AS n FROM one")
    assert cursor.fetchall() == [(3,)]


def test_partitions_can_be_read_by_another_connection(items, connect):
    partitions, schema = items.adbc_execute_partitions("SELECT id FROM items ORDER BY id")
    assert len(partitions) == 1
    assert schema.names == ["id"]
    with connect().cursor() as other:
        other.adbc_read_partition(partitions[0])
        assert other.fetch_arrow_table()["id"].to_pylist() == [1, 2, 3]


def objects(db, namespace, **filters) -> dict:
    """The one namespace in what adbc_get_objects gives."""
    [catalog] = db.adbc_get_objects(db_schema_filter=namespace, **filters).read_all().to_pylist()
    assert catalog["catalog_name"] == "frostline"
    [schema] = catalog["catalog_db_schemas"]
    assert schema["db_schema_name"] == namespace
    return schema


def test_objects_of_depth_catalogs_are_the_catalog(db):
    assert db.adbc_get_objects(depth="catalogs").read_all()["catalog_name"].to_pylist() == ["frostline"]


def test_objects_of_depth_schemas_are_the_namespaces(db, namespace):
    assert objects(db, namespace, depth="db_schemas")["db_schema_tables"] is None
    [catalog] = db.adbc_get_objects(depth="db_schemas").read_all().to_pylist()
    names = [schema["db_schema_name"] for schema in catalog["catalog_db_schemas"]]
    assert {"information_schema", "public", "system", namespace} <= set(names)


def test_objects_of_depth_tables_are_tables_and_views(db, namespace, items):
    tables = objects(db, namespace, depth="tables")["db_schema_tables"]
    assert [(table["table_name"], table["table_type"]) for table in tables] == [("cheap", "VIEW"), ("items", "TABLE")]
    only = objects(db, namespace, depth="tables", table_types_filter=["VIEW"])["db_schema_tables"]
    assert [table["table_name"] for table in only] == ["cheap"]


def test_objects_of_all_depth_have_columns_and_types(db, namespace, items):
    [table] = objects(db, namespace, depth="all", table_name_filter="items")["db_schema_tables"]
    told = [(c["column_name"], c["ordinal_position"], c["xdbc_type_name"]) for c in table["table_columns"]]
    assert told == [("id", 1, "BIGINT"), ("name", 2, "VARCHAR"), ("price", 3, "DECIMAL")]
    assert [c["xdbc_data_type"] for c in table["table_columns"]] == [-5, 12, 3]
    assert [c["xdbc_is_autoincrement"] for c in table["table_columns"]] == [False] * 3
    columns = objects(db, namespace, depth="columns", table_name_filter="items", column_name_filter="p%")
    assert [c["column_name"] for c in columns["db_schema_tables"][0]["table_columns"]] == ["price"]


def test_objects_can_be_asked_for_with_a_catalog_that_is_not_there(db):
    assert db.adbc_get_objects(depth="all", catalog_filter="other").read_all().num_rows == 0


def test_the_schema_of_a_table_has_nullability_types_and_remarks(db, namespace, items):
    schema = db.adbc_get_table_schema("items", db_schema_filter=namespace)
    assert [(field.name, field.type, field.nullable) for field in schema] == [
        ("id", pa.int64(), False),
        ("name", pa.string(), False),
        ("price", pa.decimal128(9, 2), True),
    ]
    assert schema.field("price").metadata[b"ARROW:FLIGHT:SQL:REMARKS"] == b"in euro"
    assert schema.field("name").metadata[b"ARROW:FLIGHT:SQL:PRECISION"] == b"20"
    with pytest.raises(adbc_driver_manager.Error) as refused:
        db.adbc_get_table_schema("nothing")
    assert refused.value.status_code == adbc_driver_manager.AdbcStatusCode.NOT_FOUND


def test_table_types_are_listed(db):
    assert db.adbc_get_table_types() == ["LOCAL TEMPORARY", "SYSTEM TABLE", "TABLE", "VIEW"]


def test_the_current_namespace_is_read_and_set(db, namespace):
    assert db.adbc_current_catalog == "frostline"
    assert db.adbc_current_db_schema == namespace
    db.adbc_current_db_schema = "public"
    assert db.adbc_current_db_schema == "public"
    with pytest.raises(adbc_driver_manager.Error):
        db.adbc_current_db_schema = "not here"


def test_nothing_stays_of_a_transaction_that_is_not_committed(connect, items):
    manual = connect(autocommit=False)
    with manual.cursor() as inside:
        inside.execute("DELETE FROM items")
        inside.execute("SELECT count(*) AS n FROM items")
        assert inside.fetchone() == (0,)
    manual.rollback()
    items.execute("SELECT count(*) AS n FROM items")
    assert items.fetchone() == (3,)
    with manual.cursor() as inside:
        inside.execute("DELETE FROM items WHERE id = 1")
    manual.commit()
    items.execute("SELECT count(*) AS n FROM items")
    assert items.fetchone() == (2,)


def test_cancel_stops_a_running_statement_and_the_connection_goes_on(cursor):
    """The stop reaches the server while the first batch is waited for."""
    stopper = threading.Timer(0.5, cursor.adbc_cancel)
    stopper.start()
    begun = time.monotonic()
    with pytest.raises(adbc_driver_manager.Error) as stopped:
        run(cursor, ENDLESS)
    stopper.join()
    assert stopped.value.status_code == adbc_driver_manager.AdbcStatusCode.CANCELLED
    assert time.monotonic() - begun < 10
    cursor.execute("SELECT 1 AS one")
    assert cursor.fetchall() == [(1,)]


def test_a_time_limit_of_the_driver_ends_a_statement(connect):
    hurried = connect(**{"adbc.flight.sql.rpc.timeout_seconds.fetch": "1"})
    with hurried.cursor() as cursor, pytest.raises(adbc_driver_manager.Error) as late:
        run(cursor, ENDLESS)
    assert late.value.status_code == adbc_driver_manager.AdbcStatusCode.TIMEOUT


def test_errors_have_the_status_the_sqlstate_and_one_sentence(items):
    code = adbc_driver_manager.AdbcStatusCode
    for sql, status, sqlstate in (
        ("SELEC 1", code.INVALID_ARGUMENT, "42601"),
        ("SELECT * FROM nowhere", code.NOT_FOUND, "42P01"),
        ("SELECT nothing FROM items", code.INVALID_ARGUMENT, "42703"),
        ("INSERT INTO items VALUES (1, 'x', 1)", code.INVALID_ARGUMENT, "23505"),
        ("INSERT INTO items VALUES (9, NULL, 1)", code.INVALID_ARGUMENT, "23502"),
        ("INSERT INTO items VALUES (9, 'x', 12345678901)", code.INVALID_ARGUMENT, "22003"),
        ("VACUUM", code.NOT_IMPLEMENTED, "0A000"),
    ):
        with pytest.raises(adbc_driver_manager.Error, match=rf"\[{sqlstate}\]") as refused:
            items.execute(sql)
        assert refused.value.status_code == status, sql
        assert "Traceback" not in str(refused.value)
    items.execute("SELECT count(*) AS n FROM items")
    assert items.fetchone() == (3,)
