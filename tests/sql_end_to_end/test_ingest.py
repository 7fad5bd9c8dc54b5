"""Bulk ingest: its modes, its columns, its errors, and that it is all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from tests.support.sql_client import Client, Refused

ROWS = pa.table({"a": pa.array([1, 2], pa.int32()), "b": ["x", "y"]})
BIG_ROWS = 280_000


def big(first: int, rows: int = BIG_ROWS) -> pa.RecordBatchReader:
    """More bytes than a statement may keep in memory."""
    ids = pa.array(range(first, first + rows), pa.int64())
    return pa.table({"id": ids, "x": ids, "text": ["t" * 128] * rows}).to_reader(max_chunksize=50_000)


def test_modes_create_append_and_replace(client: Client) -> None:
    assert client.ingest("t", ROWS, mode="create") == 2
    assert client.ingest("t", ROWS, mode="append") == 2
    assert client.ingest("t", ROWS, mode="create_append") == 2
    assert client.ingest("u", ROWS, mode="create_append") == 2
    assert client.value("SELECT count(*) FROM t") == 6
    assert client.ingest("t", pa.table({"other": [1]}), mode="replace") == 1
    assert client.table("SELECT * FROM t").to_pydict() == {"other": [1]}


def test_columns_go_by_name_and_the_missing_get_their_default(client: Client) -> None:
    client.do("CREATE TABLE t (a INT, b TEXT DEFAULT 'd', u UUID DEFAULT uuid_v7(), n INT NOT NULL DEFAULT 5)")
    client.ingest("t", ROWS.select(["b", "a"]), mode="append")
    client.ingest("t", pa.table({"a": ["3", "4"]}), mode="append")
    assert client.rows("SELECT a, b, n FROM t ORDER BY a") == [(1, "x", 5), (2, "y", 5), (3, "d", 5), (4, "d", 5)]
    assert client.value("SELECT count(DISTINCT u) FROM t") == 4


def test_no_rows_make_an_empty_table_with_its_columns(client: Client) -> None:
    empty = pa.RecordBatch.from_pylist([], schema=ROWS.schema)
    assert client.ingest("t", pa.RecordBatchReader.from_batches(ROWS.schema, [empty]), mode="create") == 0
    assert client.table("SELECT * FROM t").schema.equals(ROWS.schema)


def test_names_keep_their_case_and_odd_characters(client: Client) -> None:
    client.ingest("Upper", pa.table({"Unnamed: 0": [1], "délai": [2], "0": [3], "a": [4], "A": [5]}))
    assert client.rows('SELECT "Unnamed: 0", "délai", "0", a, "A" FROM "Upper"') == [(1, 2, 3, 4, 5)]


@pytest.mark.parametrize(
    ("table", "rows", "options", "sqlstate"),
    [
        ("t", ROWS, {"mode": "create"}, "42P07"),
        ("nope", ROWS, {"mode": "append"}, "42P01"),
        ("v", ROWS, {"mode": "append"}, "42P07"),
        ("v", ROWS, {"mode": "replace"}, "42P07"),
        ("t", ROWS.append_column("c", ROWS["a"]), {"mode": "append"}, "42703"),
        ("t", pa.table({"a": ["x"]}), {"mode": "append"}, "22P02"),
        ("t", pa.table({"a": [1, 2**40]}), {"mode": "append"}, "22003"),
        ("t", pa.table({"a": [1.5]}), {"mode": "append"}, "22P02"),
        ("t", pa.table({"a": [7, 8, 8]}), {"mode": "append"}, "23505"),
        ("t", pa.table({"a": [7, 1]}), {"mode": "append"}, "23505"),
        ("t", pa.table({"a": [7, None]}), {"mode": "append"}, "23502"),
        ("t", pa.table({"b": ["x"]}), {"mode": "append"}, "23502"),
        ("t", pa.table({"a": [7], "b": ["too long"]}), {"mode": "append"}, "22001"),
        ("u", pa.table({"_seq": [1]}), {}, "42939"),
        ("u", pa.table({"": [1]}), {}, "42602"),
        ("u", pa.table([[1], [2]], names=["a", "a"]), {}, "22023"),
        ("bad\nname", ROWS, {}, "42602"),
        ("u", ROWS, {"db_schema_name": "nowhere"}, "3F000"),
        ("u", ROWS, {"db_schema_name": "system"}, "42939"),
        ("u", ROWS, {"catalog_name": "elsewhere"}, "3D000"),
    ],
)
def test_a_refused_ingest_stores_nothing(
    client: Client, table: str, rows: pa.Table, options: dict[str, Any], sqlstate: str
) -> None:
    client.do("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(3)); INSERT INTO t VALUES (1, 'x')")
    client.do("CREATE VIEW v AS SELECT 1 AS a")
    with pytest.raises(Refused) as refused:
        client.ingest(table, rows, **options)
    assert refused.value.sqlstate == sqlstate
    assert client.rows("SELECT * FROM t") == [(1, "x")]
    assert [row[1] for row in client.rows("SHOW TABLES")] == ["t", "v"]


def test_many_rows_go_straight_to_files_and_read_as_any_others(client: Client) -> None:
    assert client.ingest("t", big(0)) == BIG_ROWS
    assert dict(client.rows("SHOW STATS FOR TABLE t"))["hot_rows"] == 0
    assert client.do("UPDATE t SET x = -1 WHERE id < 10") == 10
    assert client.do("DELETE FROM t WHERE id % 2 = 1") == BIG_ROWS // 2
    assert client.do("INSERT INTO t SELECT id + 1, x, text FROM t") == BIG_ROWS // 2
    assert client.rows("SELECT count(*), sum(id) FROM t") == [(BIG_ROWS, BIG_ROWS * (BIG_ROWS - 1) // 2)]


def test_a_key_taken_anywhere_in_many_rows_stores_none(client: Client, connect: Callable[[], Client]) -> None:
    client.do("CREATE TABLE t (id BIGINT PRIMARY KEY, x BIGINT, text TEXT)")
    client.do(f"INSERT INTO t (id) VALUES ({BIG_ROWS - 1})")
    with pytest.raises(Refused, match="23505"):
        client.ingest("t", big(0), mode="append")
    assert connect().value("SELECT count(*) FROM t") == 1
    assert client.ingest("t", big(0, BIG_ROWS - 1), mode="append") == BIG_ROWS - 1
    assert client.sqlstate("INSERT INTO t (id) VALUES (77)") == "23505"
