"""What a load's fields say beyond their types, such as an extension type that only clients know: columns keep it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from storage.catalog.names import TableName
from storage.catalog.schema import Column, TableDef, TableKind, decode_record, encode_record
from storage.catalog.table_options import TableOptions
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

EXTENSION = {b"ARROW:extension:name": b"geoarrow.wkb", b"ARROW:extension:metadata": b'{"crs": "OGC:CRS84"}'}
NOTES = {**EXTENSION, b"PARQUET:field_id": b"7"}
PLACE = pa.field("place", pa.binary(), metadata=NOTES)
INNER = pa.field("inner", pa.binary(), metadata=EXTENSION)
SCHEMA = pa.schema(
    [pa.field("id", pa.int64()), PLACE, pa.field("pair", pa.struct([INNER])), pa.field("list", pa.list_(INNER))]
)


def places(first_id: int = 1) -> pa.Table:
    rows = [(first_id, b"a", {"inner": b"b"}, [b"c"]), (first_id + 1, None, None, None)]
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


def notes(field: pa.Field) -> dict[bytes, bytes]:
    """The field's metadata without what the server says of every result."""
    return {key: text for key, text in (field.metadata or {}).items() if not key.startswith(b"ARROW:FLIGHT:SQL:")}


def assert_kept(client: Client, table: str = "t") -> None:
    whole = client.table(f"SELECT * FROM {table}").schema
    assert notes(whole.field("place")) == NOTES
    assert notes(whole.field("pair").type.field(0)) == EXTENSION
    assert notes(whole.field("list").type.field(0)) == EXTENSION
    assert notes(whole.field("id")) == {}
    for sql in (
        f"SELECT place AS elsewhere FROM {table} WHERE id = 2",
        f"SELECT place FROM (SELECT * FROM {table} ORDER BY id DESC LIMIT 1) AS s WHERE place IS NULL",
        f"SELECT place, count(*) AS n FROM {table} GROUP BY place",
        f"SELECT a.place FROM {table} AS a LEFT JOIN {table} AS b ON a.id = b.id + 1",
        f"SELECT place FROM {table} UNION ALL SELECT place FROM {table}",
    ):
        assert notes(client.table(sql).schema.field(0)) == NOTES, sql


def test_extension_names_and_other_metadata_survive_files_restart_and_changes(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        with server.connect() as connection:
            client = Client(connection)
            client.ingest("t", places())
            assert_kept(client)
            client.flush("t")
            assert_kept(client)
            client.ingest("t", places(3), mode="append")
            assert_kept(client)
        assert server.stop() == 0
    with ServerProcess(tmp_path / "data") as server, server.connect() as connection:
        client = Client(connection)
        assert_kept(client)
        client.do("UPDATE t SET id = id + 10 WHERE id = 1; DELETE FROM t WHERE id = 3")
        client.compact("t")
        assert_kept(client)
        client.do("CREATE TABLE u AS SELECT * FROM t")
        assert_kept(client, "u")
        client.do("ALTER TABLE u RENAME COLUMN id TO number; ALTER TABLE u RENAME COLUMN number TO id")
        assert_kept(client, "u")


def test_every_schema_of_a_statement_shows_the_extension(client: Client) -> None:
    client.ingest("t", places())
    with client.connection.cursor() as cursor:
        promised = cursor.adbc_execute_schema("SELECT place FROM t").field("place")
        [_], partitioned = cursor.adbc_execute_partitions("SELECT place FROM t")
        shown = client.connection.adbc_get_table_schema("t", db_schema_filter=client.namespace).field("place")
    returned = client.table("INSERT INTO t (id, place) VALUES (9, X'00') RETURNING place").schema.field("place")
    for field in (promised, partitioned.field("place"), shown, returned):
        assert notes(field) == NOTES


def test_an_expression_over_the_column_is_no_value_of_the_extension(client: Client) -> None:
    client.ingest("t", places())
    for value in ("max(place)", "coalesce(place, X'00')", "CAST(place AS VARCHAR)", "encode(place, 'hex')"):
        assert not notes(client.table(f"SELECT {value} AS v FROM t").schema.field("v")).keys() & EXTENSION.keys(), value


def test_a_client_that_knows_the_extension_gets_its_own_type_back(client: Client) -> None:
    kind = _Celsius()
    sent = pa.ExtensionArray.from_storage(kind, pa.array([1.5, None]))
    client.ingest("t", pa.table({"v": sent}))
    pa.register_extension_type(kind)
    try:
        for _ in ("hot", "cold"):
            got = client.table("SELECT v FROM t ORDER BY v").column("v").combine_chunks()
            assert (got.type, got.to_pylist()) == (kind, [1.5, None])
            client.flush("t")
    finally:
        pa.unregister_extension_type(kind.extension_name)


class _Celsius(pa.ExtensionType):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(pa.float64(), "weather.celsius")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> _Celsius:
        return cls()


def test_another_type_of_the_column_is_no_longer_the_extension(client: Client) -> None:
    cell = pa.field("cell", pa.int32(), metadata={b"ARROW:extension:name": b"grid.cell"})
    client.ingest("t", pa.table([pa.array([1])], schema=pa.schema([cell])))
    client.do("ALTER TABLE t ALTER COLUMN cell TYPE BIGINT")
    assert notes(client.table("SELECT cell FROM t").schema.field("cell")) == {}


def test_more_metadata_than_a_catalog_should_hold_is_refused(client: Client) -> None:
    field = pa.field("v", pa.int64(), metadata={b"k": b"x" * (65 << 10)})
    with pytest.raises(AssertionError, match=r"54000.*'v' has 66561 bytes of metadata"):
        client.ingest("t", pa.table([pa.array([1])], schema=pa.schema([field])))


def test_metadata_that_is_no_text_is_left_out(client: Client) -> None:
    bad = {b"k": b"\xff", b"ARROW:extension:name": b"pickled", b"ARROW:extension:metadata": b"\x80\x04", b"l": b"m"}
    inner = pa.field("inner", pa.int64(), metadata=bad)
    schema = pa.schema([pa.field("v", pa.int64(), metadata=bad), pa.field("w", pa.list_(inner))])
    client.ingest("t", pa.table([pa.array([1]), pa.array([[1]])], schema=schema))
    for _ in ("hot", "cold"):
        got = client.table("SELECT v, w, w[1] AS x FROM t")
        assert got.to_pylist() == [{"v": 1, "w": [1], "x": 1}]
        assert notes(got.schema.field("v")) == notes(got.schema.field("w").type.field(0)) == {b"l": b"m"}
        client.flush("t")


def test_a_catalog_written_before_columns_had_metadata_is_read() -> None:
    table = TableDef(
        table_id=1,
        name=TableName("public", "t"),
        kind=TableKind.SHARED,
        columns=(Column(name="a", physical_name="a", type=pa.int64(), sql_type="BIGINT"),),
        options=TableOptions(),
    )
    before = encode_record(table).replace(b',"metadata":[]', b"")
    assert b"metadata" not in before
    assert decode_record(before, TableDef) == table
    column = msgspec.structs.replace(table.columns[0], metadata=((b"k", b"\xff"),))
    with_metadata = msgspec.structs.replace(table, columns=(column,))
    assert decode_record(encode_record(with_metadata), TableDef) == with_metadata
