"""What lies beneath a NULL struct is never read: of bound rows, of loads straight to files, of rows stored before."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from storage.rowstore.keys import HOT
from storage.rowstore.row_codec import encode_rows, schema_version_of
from storage.rowstore.row_store import Put, RowStore
from tests.support.hidden_fields import FIELDS, SENT, fields, pairs
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client


def test_bound_rows_and_returned_rows_are_cleared(client: Client) -> None:
    client.do("CREATE TABLE t (id BIGINT PRIMARY KEY, s STRUCT<a INT, b VARCHAR>)")
    with client.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO t VALUES (?, ?)", pairs())
        assert fields(client) == FIELDS
        cursor.executemany("UPDATE t SET s = ? WHERE id = ?", pa.table({"s": SENT.take([1, 1, 0]), "id": [1, 2, 3]}))
        assert fields(client) == [(1, None, None), (2, None, None), (3, 1, "q")]
        cursor.execute("SELECT x['a'] AS a, x['a'] IS NULL AS n FROM (SELECT ? AS x)", pa.table({"s": SENT[1:2]}))
        assert cursor.fetchall() == [(None, True)]
    changed = client.rows("UPDATE t SET s = CASE WHEN id < 3 THEN s END WHERE id = 3 RETURNING s['a'], s['b'] IS NULL")
    assert changed == [(None, True)]


def test_a_load_that_goes_straight_to_files_is_cleared(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("[storage]\nhot_statement_bytes_max = 1\n")
    with ServerProcess(tmp_path / "data", "--config", str(settings)) as server, server.connect() as connection:
        client = Client(connection)
        client.ingest("t", pairs())
        assert client.value("SELECT hot_rows FROM system.tables WHERE rows = 3") == 0
        assert fields(client) == FIELDS


def test_rows_that_an_older_server_stored_are_cleared_when_they_are_read(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        with server.connect() as connection:
            Client(connection).ingest("t", pairs())
        assert server.stop() == 0
    store = RowStore(tmp_path / "data" / "rows")
    [(key, value)] = store.scan(HOT)
    as_sent = pa.RecordBatch.from_arrays([pa.array([1, 2, 3]), SENT], names=["id", "s"])
    store.write([Put(HOT, key, encode_rows(as_sent, schema_version_of(value)))], durable=True)
    store.close()
    with ServerProcess(tmp_path / "data") as server, server.connect() as connection:
        assert fields(Client(connection)) == FIELDS
