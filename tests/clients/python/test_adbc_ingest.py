"""adbc_ingest: every mode, from every source, alone and in a transaction."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import adbc_driver_manager
import pyarrow as pa
import pytest

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
ROWS = pa.table({"id": [1, 2], "name": ["ice", None]})


def rows(cursor, table: str) -> list[tuple]:
    cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
    return cursor.fetchall()


def test_create_makes_the_table_and_refuses_one_that_is_there(cursor):
    assert cursor.adbc_ingest("made", ROWS, mode="create") == 2
    with pytest.raises(adbc_driver_manager.Error, match=r"\[42P07\]"):
        cursor.adbc_ingest("made", ROWS, mode="create")
    assert rows(cursor, "made") == [(1, "ice"), (2, None)]


def test_append_needs_the_table(cursor):
    with pytest.raises(adbc_driver_manager.Error, match=r"\[42P01\]"):
        cursor.adbc_ingest("more", ROWS, mode="append")
    cursor.adbc_ingest("more", ROWS, mode="create")
    assert cursor.adbc_ingest("more", ROWS, mode="append") == 2
    assert len(rows(cursor, "more")) == 4


def test_replace_makes_it_anew_with_other_columns(cursor):
    cursor.adbc_ingest("replaced", ROWS, mode="replace")
    cursor.adbc_ingest("replaced", pa.table({"other": [1.5]}), mode="replace")
    assert rows(cursor, "replaced") == [(1.5,)]


def test_create_append_does_what_is_needed(cursor):
    cursor.adbc_ingest("both", ROWS, mode="create_append")
    cursor.adbc_ingest("both", ROWS, mode="create_append")
    assert len(rows(cursor, "both")) == 4


def test_catalog_and_namespace_can_be_named(cursor):
    cursor.adbc_ingest("named", ROWS, mode="create", catalog_name="frostline", db_schema_name="public")
    assert len(rows(cursor, "public.named")) == 2


@pytest.mark.parametrize(
    ("place", "sqlstate"), [({"catalog_name": "other"}, "3D000"), ({"db_schema_name": "nowhere"}, "3F000")]
)
def test_a_catalog_or_namespace_that_is_not_there_is_refused(cursor, place, sqlstate):
    with pytest.raises(adbc_driver_manager.Error, match=rf"\[{sqlstate}\]"):
        cursor.adbc_ingest("named", ROWS, mode="create", **place)


def test_a_reader_is_streamed(cursor):
    batches = [pa.record_batch({"n": list(range(i, i + 100))}) for i in range(0, 1000, 100)]
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, iter(batches))
    assert cursor.adbc_ingest("streamed", reader, mode="create") == 1000
    cursor.execute("SELECT sum(n) AS n FROM streamed")
    assert cursor.fetchone() == (sum(range(1000)),)


def test_a_reader_that_fails_stores_nothing(cursor):
    def failing():
        yield pa.record_batch({"n": [1, 2, 3]})
        raise ValueError("the source broke")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), failing())
    with pytest.raises(adbc_driver_manager.Error):
        cursor.adbc_ingest("broken", reader, mode="create")
    with pytest.raises(adbc_driver_manager.Error, match=r"\[42P01\]"):
        cursor.execute("SELECT * FROM broken")


def test_an_ingest_joins_the_open_transaction(connect, cursor):
    manual = connect(autocommit=False)
    with manual.cursor() as inside:
        inside.adbc_ingest("joined", ROWS, mode="create")
        assert len(rows(inside, "joined")) == 2
    manual.rollback()
    with pytest.raises(adbc_driver_manager.Error, match=r"\[42P01\]"):
        rows(cursor, "joined")
    with manual.cursor() as inside:
        inside.adbc_ingest("joined", ROWS, mode="create")
    manual.commit()
    assert len(rows(cursor, "joined")) == 2


def test_every_type_comes_back_as_it_went(cursor):
    sent = pa.table(
        {
            "b": pa.array([True, None]),
            "i8": pa.array([-128, None], pa.int8()),
            "u64": pa.array([2**64 - 1, None], pa.uint64()),
            "f32": pa.array([1.5, None], pa.float32()),
            "dec": pa.array([Decimal("123.45"), None], pa.decimal128(10, 2)),
            "s": pa.array(["grün", None]),
            "ls": pa.array(["groß", None], pa.large_string()),
            "bin": pa.array([b"\x00\xff", None]),
            "d": pa.array([dt.date(2024, 2, 29), None]),
            "t": pa.array([dt.time(23, 59, 59, 999999), None], pa.time64("us")),
            "ts": pa.array([NOON.replace(tzinfo=None), None], pa.timestamp("us")),
            "tz": pa.array([NOON, None], pa.timestamp("ms", "UTC")),
            "list": pa.array([[1, None], None], pa.list_(pa.int64())),
            "struct": pa.array([{"a": 1, "b": "x"}, None], pa.struct([("a", pa.int64()), ("b", pa.string())])),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        }
    )
    cursor.adbc_ingest("typed", sent, mode="create")
    cursor.execute("SET exact_types = true")
    cursor.execute("SELECT * FROM typed ORDER BY b NULLS LAST")
    came = cursor.fetch_arrow_table()
    assert came.to_pylist() == sent.to_pylist()
    assert came.schema.types == sent.schema.types


LARGE = {
    "text": pa.array(["a", None], pa.large_string()),
    "bytes": pa.array([b"a", None], pa.large_binary()),
    "words": pa.array(["a", None], pa.large_string()).dictionary_encode(),
    "inside": pa.array([["a"], None], pa.list_(pa.large_string())),
}


@pytest.mark.parametrize("query", ["SELECT * FROM large", "SELECT text, bytes, words, inside FROM large ORDER BY text"])
def test_text_and_bytes_come_plain_unless_the_session_wants_them_as_they_are(cursor, query):
    sent = pa.table(LARGE)
    cursor.adbc_ingest("large", sent, mode="create")
    cursor.execute(query)
    came = cursor.fetch_arrow_table()
    words = pa.dictionary(pa.int32(), pa.string())
    assert came.schema.types == [pa.string(), pa.binary(), words, pa.list_(pa.large_string())]
    assert came.to_pylist() == sent.to_pylist()
    cursor.execute("SET exact_types = true")
    cursor.execute(query)
    assert cursor.fetch_arrow_table().schema.types == sent.schema.types


@pytest.mark.parametrize(("zone", "shown"), [("UTC", "UTC"), ("Europe/Berlin", "Europe/Berlin"), ("+02:00", "+02:00")])
def test_moments_come_in_the_zone_of_the_session_unless_it_wants_them_as_they_are(cursor, zone, shown):
    sent = pa.table({"at": pa.array([0, None], pa.timestamp("ms", "Asia/Tokyo"))})
    cursor.adbc_ingest("moments", sent, mode="create")
    cursor.execute(f"SET time_zone = '{zone}'")
    for query in ("SELECT at FROM moments", "SELECT CAST('1970-01-01T00:00:00Z' AS TIMESTAMP WITH TIME ZONE) AS at"):
        cursor.execute(query)
        came = cursor.fetch_arrow_table().column("at")
        assert (came.type.tz, came.cast(pa.int64()).to_pylist()[0]) == (shown, 0)
    cursor.execute("SET exact_types = true")
    cursor.execute("SELECT at FROM moments")
    assert cursor.fetch_arrow_table().schema.types == sent.schema.types


def test_a_prepared_query_and_the_table_s_description_are_plain_too(cursor):
    cursor.adbc_ingest("large", pa.table(LARGE), mode="create")
    cursor.adbc_prepare("SELECT text FROM large WHERE text = ?")
    cursor.execute("SELECT text FROM large WHERE text = ?", ("a",))
    assert cursor.fetch_arrow_table().schema.types == [pa.string()]
    assert cursor.connection.adbc_get_table_schema("large").field("text").type == pa.string()


def test_a_temporary_table_is_the_connections_own(cursor, connect):
    for mode in ("create", "append", "replace"):
        cursor.adbc_ingest("passing", ROWS, mode=mode, temporary=True)
    assert len(rows(cursor, "passing")) == 2
    with connect().cursor() as other, pytest.raises(adbc_driver_manager.Error, match=r"\[42P01\]"):
        rows(other, "passing")
