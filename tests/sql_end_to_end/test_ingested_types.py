"""Every Arrow type by bulk ingest: the same type and the same values, whatever becomes of the rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.sql_end_to_end.arrow_columns import arrow_columns, unstorable_columns
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

COLUMNS = arrow_columns()


def wide_table(first_id: int) -> pa.Table:
    return pa.table({"id": pa.array(range(first_id, first_id + 3)), **COLUMNS})


def assert_as_sent(client: Client, stage: str, sql: str = "SELECT * FROM t WHERE id < 3 ORDER BY id") -> None:
    got = client.table(sql)
    for name, sent in COLUMNS.items():
        column = got.column(name).combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        assert column.type == sent.type, (stage, name)
        if pa.types.is_dictionary(sent.type) or "dictionary" in str(sent.type):
            assert column.to_pylist() == sent.to_pylist(), (stage, name)  # the same values, perhaps in other order
        else:
            assert column.equals(sent), (stage, name, column, sent)


def test_every_type_comes_back_from_memory_files_restart_compaction_and_changes(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        with server.connect() as connection:
            client = Client(connection)
            client.do("SET exact_types = true")
            client.ingest("t", wide_table(0))
            assert_as_sent(client, "hot")
            client.flush("t")
            assert_as_sent(client, "cold")
            client.ingest("t", wide_table(3), mode="append")
        assert server.stop() == 0
    with ServerProcess(tmp_path / "data") as server, server.connect() as connection:
        client = Client(connection)
        client.do("SET exact_types = true")
        assert_as_sent(client, "restarted")
        client.flush("t")
        assert client.do("DELETE FROM t WHERE id = 4") == 1
        client.compact("t")
        assert_as_sent(client, "compacted")
        assert client.do("UPDATE t SET id = id - 100") == 5
        assert_as_sent(client, "updated", "SELECT * FROM t WHERE id < -97 ORDER BY id")
        client.do("CREATE TABLE u AS SELECT * FROM t; INSERT INTO u SELECT * FROM t WHERE id > -98; DELETE FROM u")
        assert client.do("INSERT INTO u SELECT * FROM t WHERE id < -97") == 3
        assert_as_sent(client, "copied", "SELECT * FROM u ORDER BY id")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (pa.array(["", "a long text that is kept out of line", None], pa.string_view()), pa.string()),
        (pa.array([b"", b"\0" * 40, None], pa.binary_view()), pa.binary()),
        (pa.array([["a"], [None], None], pa.list_(pa.string_view())), pa.list_(pa.string())),
    ],
)
def test_view_layouts_come_back_as_the_plain_types(client: Client, sent: pa.Array, shown: pa.DataType) -> None:
    client.ingest("t", pa.table({"id": [1, 2, 3], "v": sent}))
    for act in (lambda: None, lambda: client.do("UPDATE t SET id = id + 1"), lambda: client.flush("t")):
        act()
        got = client.table("SELECT v FROM t ORDER BY id").column("v")
        assert got.type == shown
        assert got.to_pylist() == sent.to_pylist()


@pytest.mark.parametrize("name", sorted(unstorable_columns()))
def test_what_no_table_can_hold_is_refused_by_the_column_s_name(client: Client, name: str) -> None:
    with pytest.raises(Refused, match=f"'{name}'") as refused:
        client.ingest("t", pa.table({name: unstorable_columns()[name]}))
    assert refused.value.sqlstate == "0A000"
    assert client.rows("SHOW TABLES") == []


def test_a_table_of_no_rows_is_read_whatever_its_types_are(client: Client) -> None:
    uuids = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), COLUMNS["uuid"])
    client.ingest("t", wide_table(0).append_column("uuids", uuids))
    client.do("DELETE FROM t")
    assert client.table("SELECT * FROM t").num_rows == 0
    assert client.rows("SELECT id, uuids FROM t WHERE id > 0") == []
    assert client.rows("UPDATE t SET id = id + 1 RETURNING *") == []
    client.flush("t")
    client.compact("t")
    assert client.table("SELECT * FROM t ORDER BY id").schema.field("uuids").type == pa.list_(pa.uuid())
