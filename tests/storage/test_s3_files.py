"""Cold files in S3, against a real HTTP service: written, read back with others, swept, fenced, found damaged."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from flight_server.query import QueryEngine
from storage.catalog.folder_templates import portable_folder_name
from storage.catalog.names import TableName, quoted
from storage.catalog.schema import PORTABLE
from storage.catalog.storages import LOCAL
from storage.cold.ownership_marker import MARKER
from storage.cold.s3_client import CHECKSUM_KEY, prepared
from storage.errors import Corruption, StorageUnavailable
from storage.maintenance.sweep import sweep
from storage.state.edits import Edit
from tests.storage.s3_furniture import S3_SETTINGS, Cloud, ask, cloud_storage, cold_table
from tests.storage.storage_folders import folder_storage
from tests.support.storage_builders import (
    alter,
    compact,
    delete,
    files_on_disk,
    flush,
    insert,
    make_table,
    now,
    opened,
    partition,
    values,
    verify_cold_files,
)

ODD_NAMES = ("é", "a b", "A/../b", "%41", "+ @~", "🦀" * 64, 'q"x', "x.parquet", "*?[1]", "_x")


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: ascii(name)[:20])
def test_a_table_of_any_name_is_written_to_the_bucket_and_read(here: Cloud, queries: QueryEngine, name: str):
    table = alter(here.engine, cold_table(here), folder_rule=PORTABLE)
    here.engine.commit(Edit(catalog=lambda catalog: catalog.with_renamed_table(table, TableName("public", name))))
    table = now(here.engine, table)
    insert(here.engine, table, (7, "seven"))
    flush(here.engine, table)
    old, new = partition(here.engine, table).cold
    assert here.keys == {here.key(old), here.key(new)}
    assert new.path.isascii()
    assert new.path.split("/")[1] == portable_folder_name(name)
    assert ask(queries, here, f"SELECT count(*) FROM {quoted(name)}") == [(4,)]
    verify_cold_files(here.engine)


def test_create_storage_s3(here: Cloud, queries: QueryEngine):
    here.engine.file_stores.get("cloud").probe()
    assert here.keys == set()
    table = cold_table(here)
    [file] = partition(here.engine, table).cold
    assert file.storage == "cloud"
    assert here.keys == {here.key(file)}
    assert len(here.endpoint.content(here.bucket, here.key(file))) == file.bytes
    assert ask(queries, here, "SELECT count(*), max(v) FROM t") == [(3, "v2")]
    assert values(here.engine, table) == [0, 1, 2]
    assert list((here.engine.directory / "spool").rglob("*.p*")) == []


def test_files_here_and_there_are_one_table(tmp_path: Path, here: Cloud, queries: QueryEngine):
    engine = here.engine
    engine.commit(Edit(catalog=lambda catalog: catalog.with_storage(folder_storage(tmp_path / "archive"))))
    second = cloud_storage(engine, here.endpoint, here.endpoint.new_bucket(), here.proxy.url, "second")
    engine.commit(Edit(catalog=lambda catalog: catalog.with_storage(second)))
    table = make_table(engine, key=("k",))
    for number, storage in enumerate([LOCAL, "cloud", "archive", "second"]):
        options = msgspec.structs.replace(now(engine, table).options, storage=storage)
        table = alter(engine, table, options=options)
        insert(engine, table, (number, storage))
        flush(engine, table)
    insert(engine, table, (4, "hot"))
    delete(engine, table, "k", 1)
    assert ask(queries, here, "SELECT k, v FROM t ORDER BY k") == [
        (0, "local"),
        (2, "archive"),
        (3, "second"),
        (4, "hot"),
    ]
    assert ask(queries, here, "SELECT count(*) FROM t a JOIN t b ON a.k = b.k") == [(4,)]
    compact(engine, table)
    assert {file.storage for file in partition(engine, table).cold} == {"second"}
    assert ask(queries, here, "SELECT sum(k) FROM t") == [(9,)]
    sweep(engine)
    assert here.keys == files_on_disk(engine) == set()


def test_one_row_is_read_by_ranges(here: Cloud):
    table = cold_table(here, rows=100)
    for _ in range(3):  # the first time a row group is only noted, then it is read and kept
        row = here.engine.rows.row(here.engine.state, now(here.engine, table), 42)
    assert row is not None
    assert row.to_pylist() == [{"k": 42, "v": "v42"}]


def test_a_large_file_goes_up_in_parts(here: Cloud, queries: QueryEngine):
    table = make_table(here.engine, storage="cloud", compression="none", columns={"k": pa.int64(), "v": pa.binary()})
    for number in range(12):
        insert(here.engine, table, (number, os.urandom(1 << 20)))
    before = here.proxy.seen["POST"]
    flush(here.engine, table)
    assert here.proxy.seen["POST"] == before + 2  # begun, completed
    [file] = partition(here.engine, table).cold
    assert file.bytes > 2 * S3_SETTINGS.s3_part_bytes
    here.engine.file_stores.of(file).verify(file.path, file.checksum)
    assert ask(queries, here, "SELECT count(*), count(DISTINCT v) FROM t") == [(12, 12)]


def test_user_names_with_odd_characters_are_found_again(here: Cloud, queries: QueryEngine):
    files = here.engine.file_stores.get("cloud")
    for name in ("a+b@c.d~e", "%2Ehidden", "x-y_z"):
        path = f"n/t/{name}/2020-01-01T00-00-00-1.parquet"
        part = files.part(path)
        part.parent.mkdir(parents=True, exist_ok=True)
        pa.parquet.write_table(pa.table({"a": [1, 2]}), part)
        files.publish(path, prepared(part, 5 << 20).checksum)
        context = queries._base
        queries._scans._cold._connect(files)
        assert context.read_parquet(files.url(path)).count() == 2
        assert path in {listed for listed, _ in files.listed()}


def test_what_nothing_names_is_swept_and_nothing_else(here: Cloud):
    table = cold_table(here)
    other = "lake/public/t/somebody.parquet"
    orphan = "lake/public/t/2020-01-01T00-00-00-1f.parquet"
    for key in (other, orphan, "elsewhere/public/t/2020-01-01T00-00-00-1f.parquet"):
        here.endpoint.client.put_object(Bucket=here.bucket, Key=key, Body=b"x")
    assert sweep(here.engine).files == 1
    [file] = partition(here.engine, table).cold
    assert here.keys == {here.key(file), other, "elsewhere/public/t/2020-01-01T00-00-00-1f.parquet"}


def test_a_second_database_is_kept_out_by_the_marker(tmp_path: Path, here: Cloud):
    cold_table(here)
    before = here.keys
    with opened(tmp_path / "other", settings=here.engine.settings) as second:
        theirs = msgspec.structs.replace(here.definition, claim="0" * 32)
        second.commit(Edit(catalog=lambda catalog: catalog.with_storage(theirs)))
        table = make_table(second, storage="cloud")
        insert(second, table, (7, "x"))
        with pytest.raises(StorageUnavailable, match=f"another database keeps its files.*{MARKER}"):
            flush(second, table)
        sweep(second)
        second.file_stores.get("cloud").give_up_ownership()
        assert values(second, table) == [7]
    here.engine.file_stores.get("cloud").probe()  # it is ours still
    assert here.endpoint.content(here.bucket, f"lake/{MARKER}")
    assert here.keys == before


# --- what is found before it is read ---------------------------------------------------------------------------


def test_a_file_that_is_gone_is_no_empty_table(here: Cloud, queries: QueryEngine):
    table = cold_table(here)
    [file] = partition(here.engine, table).cold
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]
    here.endpoint.client.delete_object(Bucket=here.bucket, Key=here.key(file))
    for sql in ("SELECT count(*) FROM t", "SELECT v FROM t WHERE k = 1"):
        with pytest.raises(Corruption, match="is missing in storage 'cloud'"):
            ask(queries, here, sql)


def test_another_file_under_the_name_is_found(here: Cloud, queries: QueryEngine):
    one, two = cold_table(here, name="one"), cold_table(here, name="two")
    [file], [other] = partition(here.engine, one).cold, partition(here.engine, two).cold
    content = here.endpoint.content(here.bucket, here.key(file))
    damaged = bytes([content[0], content[1], content[2] ^ 1]) + content[3:]
    swapped = here.endpoint.client.get_object(Bucket=here.bucket, Key=here.key(other))
    for body, metadata, found in (
        (content[:-1], {CHECKSUM_KEY: file.checksum}, "another size"),
        (damaged, {}, "does not match its checksum"),
        (content, swapped["Metadata"], "not the one that was written"),
    ):
        here.endpoint.client.put_object(Bucket=here.bucket, Key=here.key(file), Body=body, Metadata=metadata)
        with pytest.raises(Corruption, match=found):
            ask(queries, here, "SELECT sum(k) FROM one")
    assert ask(queries, here, "SELECT sum(k) FROM two") == [(3,)]


def test_a_copy_without_metadata_is_read_whole_once_and_then_trusted(here: Cloud, queries: QueryEngine):
    table = cold_table(here)
    [file] = partition(here.engine, table).cold
    content = here.endpoint.content(here.bucket, here.key(file))
    here.endpoint.client.put_object(Bucket=here.bucket, Key=here.key(file), Body=content)
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]


def test_damage_below_the_metadata_is_found_by_the_scrub_and_by_compaction(here: Cloud):
    table = cold_table(here)
    [file] = partition(here.engine, table).cold
    content = here.endpoint.content(here.bucket, here.key(file))
    damaged = content[:100] + bytes([content[100] ^ 4]) + content[101:]
    metadata = {CHECKSUM_KEY: file.checksum}
    here.endpoint.client.put_object(Bucket=here.bucket, Key=here.key(file), Body=damaged, Metadata=metadata)
    with pytest.raises(Corruption, match="does not match its checksum"):
        verify_cold_files(here.engine)
    delete(here.engine, make_table(here.engine, "other"), "k")
    insert(here.engine, table, (100, "x"))
    flush(here.engine, table)
    with pytest.raises(Corruption, match="does not match its checksum"):
        compact(here.engine, table)
