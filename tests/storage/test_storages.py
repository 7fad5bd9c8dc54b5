"""Storages as the engine has them: where files go, that they are read back together, and whose place it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.catalog.schema import Owner, TableDef, TableKind
from storage.catalog.storages import LOCAL, StorageMode, StorageType, checked_endpoint, checked_uri
from storage.catalog.table_options import TableOptions
from storage.catalog.users import UserRecord
from storage.clock import ManualClock
from storage.cold.file_store import storage_of
from storage.cold.ownership_marker import MARKER
from storage.engine import Engine
from storage.errors import Conflict, InvalidRequest, NotFound, StorageUnavailable
from storage.maintenance.sweep import sweep
from storage.state.edits import Edit
from tests.storage.storage_folders import create, folder_storage, moved, parquet_files
from tests.support.storage_builders import (
    SPILLING,
    compact,
    drop,
    files_on_disk,
    flush,
    insert,
    load,
    make_table,
    now,
    opened,
    partition,
    rows_batch,
    values,
    verify_cold_files,
)


def test_default_storage_creation(tmp_path: Path):
    with opened(tmp_path / "data") as engine:
        assert list(engine.state.catalog.storages) == [LOCAL]
        table = make_table(engine)
        insert(engine, table, (1, "a"))
        flush(engine, table)
        [file] = partition(engine, table).cold
        assert file.storage == LOCAL
        assert (tmp_path / "data" / "cold" / file.path).exists()
    with opened(tmp_path / "data") as engine:
        assert list(engine.state.catalog.storages) == [LOCAL]


def test_create_storage_filesystem(tmp_path: Path, engine: Engine):
    archive = tmp_path / "archive"
    create(engine, folder_storage(archive, shared_template="lake/{namespace}-{tableName}"))
    table = make_table(engine, storage="archive")
    insert(engine, table, (1, "a"), (2, "b"))
    flush(engine, table)
    [file] = partition(engine, table).cold
    assert file.storage == "archive"
    assert parquet_files(archive) == {file.path}
    assert file.path.startswith("lake/public-t/")
    assert files_on_disk(engine) == set()
    assert values(engine, table, "v") == ["a", "b"]


def test_storages_are_there_after_a_restart(tmp_path: Path):
    with opened(tmp_path / "data") as engine:
        storage = create(engine, folder_storage(tmp_path / "archive"))
        table = make_table(engine, storage="archive", key=("k",))
        insert(engine, table, (1, "a"))
        flush(engine, table)
    with opened(tmp_path / "data") as engine:
        assert engine.state.catalog.storages["archive"] == storage
        assert values(engine, now(engine, table), "v") == ["a"]
        assert verify_cold_files(engine) == 1


def test_files_in_several_storages_are_read_together_and_compacted_into_the_newest(tmp_path: Path, engine: Engine):
    table = make_table(engine)
    for number, storage in enumerate([LOCAL, "one", "two"]):
        if storage != LOCAL:
            create(engine, folder_storage(tmp_path / storage, storage))
            table = moved(engine, table, storage)
        insert(engine, table, (number, storage))
        flush(engine, table)
    assert [file.storage for file in partition(engine, table).cold] == [LOCAL, "one", "two"]
    assert values(engine, table) == [0, 1, 2]
    compact(engine, table)
    assert [file.storage for file in partition(engine, table).cold] == ["two"]
    assert values(engine, table) == [0, 1, 2]
    sweep(engine)
    assert parquet_files(tmp_path / "one") == files_on_disk(engine) == set()
    assert len(parquet_files(tmp_path / "two")) == 1


def test_a_bulk_load_goes_straight_to_the_storage(tmp_path: Path):
    with opened(tmp_path / "data", settings=SPILLING) as engine:
        create(engine, folder_storage(tmp_path / "archive"))
        table = make_table(engine, storage="archive", key=("k",))
        load(engine, table, *((n, "x") for n in range(3)))
        assert len(parquet_files(tmp_path / "archive")) == 1
        assert values(engine, table) == [0, 1, 2]


def test_a_load_that_is_given_up_leaves_nothing_in_the_storage(tmp_path: Path):
    with opened(tmp_path / "data", settings=SPILLING) as engine:
        create(engine, folder_storage(tmp_path / "archive"))
        stage = engine.write_stage(make_table(engine, storage="archive"))
        transaction = engine.begin()
        load(engine, make_table(engine, "other", storage="archive"), (1, "a"))
        stage.abandon()
        transaction.rollback()
        assert len(parquet_files(tmp_path / "archive")) == 1


def test_the_sweep_takes_what_nothing_names_and_nothing_of_others(tmp_path: Path, engine: Engine):
    archive = tmp_path / "archive"
    create(engine, folder_storage(archive))
    table, gone = make_table(engine, storage="archive"), make_table(engine, "gone", storage="archive")
    for each in (table, gone):
        insert(engine, each, (1, "a"))
        flush(engine, each)
    (archive / "public" / "t" / "holiday.parquet").write_bytes(b"somebody's own")
    (archive / "public" / "t" / "2020-01-01T00-00-00-1f.parquet").write_bytes(b"left by a crash")
    drop(engine, gone)
    assert sweep(engine).files == 2
    [file] = partition(engine, table).cold
    assert parquet_files(archive) == {file.path, "public/t/holiday.parquet"}


def test_a_place_that_another_database_has_is_left_alone(tmp_path: Path):
    archive = tmp_path / "archive"
    with opened(tmp_path / "first") as first:
        create(first, folder_storage(archive))
        table = make_table(first, storage="archive")
        insert(first, table, (1, "a"))
        flush(first, table)
    before = parquet_files(archive)
    with opened(tmp_path / "second") as second:
        create(second, msgspec.structs.replace(folder_storage(archive), claim="another claim"))
        table = make_table(second, storage="archive")
        insert(second, table, (2, "b"))
        with pytest.raises(StorageUnavailable, match=f"another database keeps its files in .*{MARKER}"):
            flush(second, table)
        with pytest.raises(StorageUnavailable, match="another database"):
            second.file_stores.get("archive").probe()
        sweep(second)
        second.file_stores.get("archive").give_up_ownership()
        assert (archive / MARKER).exists()
        assert parquet_files(archive) == before
        assert values(second, table) == [2]  # hot still


def test_a_storage_that_is_lost_loses_no_hot_row(tmp_path: Path, engine: Engine):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    create(engine, folder_storage(tmp_path / "blocked"))
    table = make_table(engine, storage="archive")
    insert(engine, table, (1, "a"))
    with pytest.raises(StorageUnavailable):
        flush(engine, table)
    with pytest.raises(StorageUnavailable):
        sweep(engine)  # the others were swept
    assert engine.health == "ok"
    (tmp_path / "blocked").unlink()
    flush(engine, table)
    assert values(engine, table) == [1]


def test_a_file_that_was_written_to_a_dropped_storage_is_refused(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path / "data", clock, SPILLING) as engine:
        create(engine, folder_storage(tmp_path / "archive"))
        table = make_table(engine, storage="archive")
        transaction = engine.begin()
        stage = engine.write_stage(table)
        stage.append(rows_batch(table, [(1, "a")]))
        transaction.change(table, staged=stage.finish(), keys=[])
        assert engine.file_stores.is_writing("archive")
        moved(engine, table, LOCAL)
        engine.commit(Edit(catalog=lambda catalog: catalog.without_storage("archive")))
        with pytest.raises(Conflict):
            transaction.commit(durable=True)
        transaction.rollback()


# --- which storage ---------------------------------------------------------------------------------------------


def region_user(mode: StorageMode, storage: str = "eu") -> UserRecord:
    return UserRecord(name="anna", role="user", password_hash="", storage=storage, storage_mode=mode)


@pytest.mark.parametrize(
    ("use_user_storage", "mode", "user_storage", "expected"),
    [
        (False, StorageMode.REGION, "eu", "archive"),
        (True, StorageMode.REGION, "eu", "eu"),
        (True, StorageMode.REGION, "", "archive"),
        (True, StorageMode.TABLE, "eu", "archive"),
    ],
)
def test_the_storage_is_looked_up_for_each_user(
    tmp_path: Path, use_user_storage: bool, mode: StorageMode, user_storage: str, expected: str
):
    catalog = Catalog()
    for storage in ("archive", "eu"):
        catalog = catalog.with_storage(folder_storage(tmp_path / storage, storage))
    catalog = catalog.with_user(region_user(mode, user_storage))
    options = TableOptions(storage="archive", use_user_storage=use_user_storage)
    name = TableName("public", "t")
    table = TableDef(table_id=1, name=name, kind=TableKind.USER, columns=(), options=options, owner=Owner(7, "anna"))
    assert storage_of(catalog, table) == expected
    stranger = msgspec.structs.replace(table, owner=Owner(8, "nobody"))
    assert storage_of(catalog, stranger) == "archive"


# --- definitions -----------------------------------------------------------------------------------------------


def test_a_table_on_an_unknown_storage_is_refused(engine: Engine):
    with pytest.raises(NotFound, match="storage 'nowhere' does not exist; SHOW STORAGES"):
        make_table(engine, storage="nowhere")


def test_two_storages_never_lie_in_one_place(tmp_path: Path):
    catalog = Catalog().with_storage(folder_storage(tmp_path / "a", "one"))
    for folder in (tmp_path / "a", tmp_path / "a" / "b", tmp_path):
        with pytest.raises(InvalidRequest, match="storage 'two' would lie where storage 'one' does"):
            catalog.with_storage(folder_storage(folder, "two"))
    assert catalog.with_storage(folder_storage(tmp_path / "ab", "two"))


@pytest.mark.parametrize(
    ("kind", "uri"),
    [
        (StorageType.FILESYSTEM, "/var/x"),
        (StorageType.FILESYSTEM, "file://host/var"),
        (StorageType.FILESYSTEM, "file:///"),
        (StorageType.FILESYSTEM, "file:///var/../etc"),
        (StorageType.FILESYSTEM, "file:///var/%2e%2e/etc"),
        (StorageType.FILESYSTEM, "file:relative"),
        (StorageType.FILESYSTEM, "file:///var?x=1"),
        (StorageType.FILESYSTEM, "s3://bucket"),
        (StorageType.S3, "s3://"),
        (StorageType.S3, "s3://UPPER/x"),
        (StorageType.S3, "s3://key:secret@bucket/x"),
        (StorageType.S3, "s3://bucket/a/../b"),
        (StorageType.S3, "s3://bucket/a b"),
        (StorageType.S3, "https://bucket/x"),
    ],
)
def test_a_uri_that_is_none_is_refused_with_a_correct_example(kind: StorageType, uri: str):
    with pytest.raises(InvalidRequest, match=r"a correct one is '(file:///var|s3://bucket)") as e:
        checked_uri(kind, uri)
    assert "secret" not in e.value.message


def test_an_endpoint_takes_no_password():
    assert checked_endpoint("http://127.0.0.1:9000/") == "http://127.0.0.1:9000"
    for bad in ("127.0.0.1", "http://user:secret@host", "http://host/path", "ftp://host"):
        with pytest.raises(InvalidRequest, match="bad ENDPOINT") as raised:
            checked_endpoint(bad)
        assert "secret" not in raised.value.message


# --- two servers -----------------------------------------------------------------------------------------------


def test_of_two_servers_on_copies_of_one_directory_the_first_stops_writing_there(tmp_path: Path, clock: ManualClock):
    archive = tmp_path / "archive"
    with opened(tmp_path / "data", clock) as first:
        create(first, folder_storage(archive))
        table = make_table(first, storage="archive")
        insert(first, table, (1, "a"))
        flush(first, table)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    with opened(tmp_path / "data", clock) as first, opened(tmp_path / "copy", clock) as second:
        clock.advance(1)
        insert(first, table, (2, "first"))
        flush(first, table)
        clock.advance(1)
        insert(second, table, (3, "second"))
        flush(second, table)  # takes the place over
        clock.advance(1)
        insert(first, table, (4, "late"))
        with pytest.raises(StorageUnavailable, match=r"taken over by another server.*stop one of the two"):
            flush(first, table)
        with pytest.raises(StorageUnavailable, match="taken over by another server"):
            sweep(first)
        assert values(second, table) == [1, 3]
        assert values(first, table) == [1, 2, 4]
        assert sweep(second).files == 1  # what the first wrote is nobody's in the place that is the second's
        assert verify_cold_files(second) == 2
