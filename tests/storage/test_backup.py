"""Backups of a database at work: each shows one moment, whole, and brings exactly that moment back."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from storage import failpoints
from storage.backup.folder_target import BackupFolder
from storage.backup.record import BackupRecord, decode_backup, encode_backup, record_name, stored_name
from storage.backup.restore import check_empty, stage
from storage.backup.target import chosen, listed
from storage.catalog.schema import TableDef
from storage.catalog.storages import StorageDef, StorageType
from storage.catalog.users import Role, UserRecord
from storage.clock import ManualClock
from storage.cold.ownership_marker import new_claim
from storage.data_directory import RESTORE_PART, RESTORE_READY, take_over
from storage.engine import Engine
from storage.errors import Cancelled, Corruption, InvalidRequest, LimitExceeded, NotFound, StorageUnavailable
from storage.maintenance.sweep import sweep
from storage.settings import StorageSettings
from storage.state.edits import Edit
from tests.storage.backups import backup, contents, restore
from tests.storage.own_rows import own, user_table
from tests.support import storage_builders as furniture
from tests.support.storage_builders import never, verify_cold_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def disarmed() -> Any:
    yield
    failpoints.disarm()


@pytest.fixture
def table(engine: Engine) -> TableDef:
    """With cold rows, hot rows, deleted rows of both kinds, and a dropped table beside it."""
    table = furniture.make_table(engine, key=("k",))
    furniture.insert(engine, table, *((n, f"cold {n}") for n in range(50)))
    furniture.flush(engine, table)
    furniture.insert(engine, table, *((n, f"hot {n}") for n in range(100, 130)))
    furniture.delete(engine, table, "k", 3, 4, 105)
    gone = furniture.make_table(engine, "gone")
    furniture.insert(engine, gone, (1, "gone"))
    furniture.drop(engine, gone)
    return table


def test_a_restored_database_is_the_one_of_the_moment(engine: Engine, table: TableDef, folder: Path, tmp_path: Path):
    before, seq_before = contents(engine), engine.state.last_seq
    record = backup(engine, folder)
    assert (record.last_seq, record.tables, record.cold_rows, record.server) == (seq_before, 1, 50, "1.2.3")
    furniture.insert(engine, table, (999, "later"))
    restore(tmp_path / "restored", folder)
    with furniture.opened(tmp_path / "restored") as restored:
        assert contents(restored) == before
        assert verify_cold_files(restored) == 1
        there = furniture.now(restored, table)
        furniture.insert(restored, there, (3, "free again"))
        assert furniture.insert(restored, there, (998, "more")).seq_first > seq_before
        with pytest.raises(Exception, match="already"):
            furniture.insert(restored, there, (5, "taken"))


def test_earlier_versions_and_users_come_back_too(engine: Engine, table: TableDef, folder: Path, tmp_path: Path):
    user = UserRecord(name="ann", role=Role.DBA, password_hash="x", created_ms=1)
    engine.commit(Edit(catalog=lambda catalog: catalog.with_user(user)))
    seq = engine.state.last_seq
    as_of = furniture.read_as_of(engine, table, seq)
    furniture.delete(engine, table, "k", *range(10))
    backup(engine, folder)
    restore(tmp_path / "restored", folder)
    with furniture.opened(tmp_path / "restored") as restored:
        assert furniture.read_as_of(restored, furniture.now(restored, table), seq) == as_of
        assert restored.state.catalog.users["ann"] == user


def test_files_of_other_storages_come_back_into_the_directory_and_the_storages_are_left_to_their_database(
    engine: Engine, folder: Path, tmp_path: Path
):
    archive = StorageDef(
        name="archive", type=StorageType.FILESYSTEM, uri=f"file://{tmp_path}/archive", claim=new_claim()
    )
    engine.commit(Edit(catalog=lambda catalog: catalog.with_storage(archive)))
    table = furniture.make_table(engine, storage="archive")
    furniture.insert(engine, table, (1, "a"), (2, "b"))
    furniture.flush(engine, table)
    before, files = contents(engine), furniture.files_on_disk(engine)
    backup(engine, folder)
    restore(tmp_path / "restored", folder)
    (tmp_path / "archive").rename(tmp_path / "away")
    with furniture.opened(tmp_path / "restored") as restored:
        there = furniture.now(restored, table)
        assert contents(restored) == before
        [file] = furniture.partition(restored, there).cold
        assert (file.storage, file.path.startswith("_archive/public/t/")) == ("local", True)
        (tmp_path / "away").rename(tmp_path / "archive")
        sweep(restored)
        furniture.insert(restored, there, (3, "c"))
        with pytest.raises(StorageUnavailable, match="another database keeps its files"):
            furniture.flush(restored, there)
        assert contents(restored)["public.t"] == [(1, "a"), (2, "b"), (3, "c")]
    assert furniture.files_on_disk(engine) == files


def test_a_second_backup_adds_only_what_is_new(engine: Engine, table: TableDef, folder: Path, tmp_path: Path):
    backup(engine, folder)
    cold = engine.state.partition(table.partition_id).cold[0]
    first = os.stat(folder / f"files/{cold.checksum[:2]}/{cold.checksum}")
    furniture.flush(engine, table)
    second = backup(engine, folder)
    assert os.stat(folder / f"files/{cold.checksum[:2]}/{cold.checksum}") == first
    assert len(second.files) > second.files_written > 0
    names = [record.backup_id for record in listed(BackupFolder(folder)) if isinstance(record, BackupRecord)]
    assert len(names) == 2
    restore(tmp_path / "first", folder, names[0])
    with furniture.opened(tmp_path / "first") as restored:
        assert furniture.partition(restored, furniture.now(restored, table)).hot_rows > 0
    restore(tmp_path / "second", folder)
    with furniture.opened(tmp_path / "second") as restored:
        assert furniture.partition(restored, furniture.now(restored, table)).hot_rows == 0


def test_a_file_of_an_earlier_backup_that_rotted_is_written_anew(engine: Engine, table: TableDef, folder: Path):
    first = backup(engine, folder)
    cold = next(file for file in first.files if file.path.startswith("cold/"))
    flip(folder / stored_name(cold))
    backup(engine, folder)
    assert BackupFolder(folder).holds(cold, never)


@pytest.mark.parametrize("part", ["rows/", "cold/"])
def test_a_flipped_bit_in_a_backup_is_found_and_named(
    part: str, engine: Engine, table: TableDef, folder: Path, tmp_path: Path
):
    record = backup(engine, folder)
    file = max((file for file in record.files if file.path.startswith(part)), key=lambda file: file.bytes)
    flip(folder / stored_name(file))
    with pytest.raises(Corruption, match=file.path):
        restore(tmp_path / "restored", folder)
    assert [path.name for path in (tmp_path / "restored").iterdir()] == ["frostline.lock"]
    (folder / stored_name(file)).unlink()
    with pytest.raises(Corruption, match=f"{file.path}' is missing"):
        restore(tmp_path / "restored", folder)


def test_every_flipped_byte_of_a_record_is_found(engine: Engine, folder: Path):
    record = backup(engine, folder)
    whole = (folder / record_name(record.backup_id)).read_bytes()
    for at in range(0, len(whole), 7):
        damaged = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        with pytest.raises(Corruption):
            decode_backup(damaged, record.backup_id)
    (folder / record_name(record.backup_id)).write_bytes(whole[:100])
    [found] = listed(BackupFolder(folder))
    assert isinstance(found, Corruption)


@pytest.mark.parametrize("path", ["../x", "rows/../../x", "/etc/passwd", "cold", "other/x", "rows//x", "rows/./x"])
def test_a_record_that_names_files_elsewhere_is_refused(path: str, engine: Engine, folder: Path):
    import msgspec

    record = backup(engine, folder)
    hostile = msgspec.structs.replace(record, files=(msgspec.structs.replace(record.files[0], path=path),))
    with pytest.raises(Corruption, match="belongs nowhere"):
        decode_backup(encode_backup(hostile), record.backup_id)


def test_a_damaged_cold_file_fails_the_backup_by_name(engine: Engine, table: TableDef, folder: Path):
    cold = engine.state.partition(table.partition_id).cold[0]
    flip(engine.files.full(cold.path))
    with pytest.raises(Corruption, match=cold.path):
        backup(engine, folder)
    assert list(listed(BackupFolder(folder))) == []


def test_a_cancelled_backup_looks_like_none_and_helps_the_next(engine: Engine, table: TableDef, folder: Path):
    asked = iter([False] * 12)
    with pytest.raises(Cancelled):
        backup(engine, folder, stop=lambda: next(asked, True))
    assert list(listed(BackupFolder(folder))) == []
    assert not list(engine.directory.glob("checkpoint.*"))
    assert not list(folder.rglob("*.part"))
    kept = len([path for path in (folder / "files").rglob("*") if path.is_file()])
    record = backup(engine, folder)
    assert kept > 0
    assert record.files_written <= len(record.files) - 1


def test_files_that_compaction_replaced_meanwhile_are_in_the_backup(
    engine: Engine, table: TableDef, folder: Path, tmp_path: Path, disarmed: None
):
    furniture.flush(engine, table)
    before = contents(engine)

    def rewrite() -> None:
        failpoints.disarm()
        furniture.compact(engine, table)
        sweep(engine)

    failpoints.arm("backup.after_checkpoint", rewrite)
    backup(engine, folder)
    assert len(engine.state.partition(table.partition_id).cold) == 1
    sweep(engine)
    assert len(furniture.files_on_disk(engine)) == 1
    restore(tmp_path / "restored", folder)
    with furniture.opened(tmp_path / "restored") as restored:
        assert contents(restored) == before
        assert verify_cold_files(restored) == 2


def test_a_table_that_is_dropped_just_after_the_moment_is_in_the_backup(
    engine: Engine, table: TableDef, folder: Path, tmp_path: Path, disarmed: None
):
    before = contents(engine)

    def drop() -> None:
        failpoints.disarm()
        furniture.drop(engine, table)
        furniture.clean(engine)
        sweep(engine)

    failpoints.arm("backup.after_checkpoint", drop)
    backup(engine, folder)
    assert contents(engine) == {}
    sweep(engine)
    assert furniture.files_on_disk(engine) == set()
    restore(tmp_path / "restored", folder)
    with furniture.opened(tmp_path / "restored") as restored:
        assert contents(restored) == before
        assert verify_cold_files(restored) == 1


def test_files_of_a_dropped_table_are_not_missed(engine: Engine, table: TableDef, folder: Path, tmp_path: Path):
    """Its cleanup removes a file before its place in the manifest."""
    other = furniture.make_table(engine, "other")
    furniture.insert(engine, other, (1, "a"))
    furniture.flush(engine, other)
    [file] = furniture.partition(engine, other).cold
    furniture.drop(engine, other)
    engine.files.full(file.path).unlink()
    record = backup(engine, folder)
    assert file.checksum not in {each.checksum for each in record.files}
    restore(tmp_path / "restored", folder)
    with furniture.opened(tmp_path / "restored") as restored:
        furniture.clean(restored)
        assert (contents(restored), restored.dropped()) == (contents(engine), [])


def test_users_partitions_are_in_it_whether_they_are_in_memory_or_not(tmp_path: Path, clock: ManualClock, folder: Path):
    few = StorageSettings(user_partitions_max=2)
    with furniture.opened(tmp_path / "data", clock, few) as engine:
        table = user_table(engine)
        for number in range(6):
            owned = own(engine, table, f"u{number}")
            furniture.insert(engine, owned, (number, "x"))
            furniture.flush(engine, owned)
            furniture.insert(engine, owned, (100 + number, "hot"))
        assert len(engine.state.partitions) < 6
        backup(engine, folder)
    restore(tmp_path / "restored", folder)
    with furniture.opened(tmp_path / "restored", clock, few) as engine:
        for number in range(6):
            owned = own(engine, table, f"u{number}")
            assert furniture.values(engine, owned) == [number, 100 + number]


def test_under_load_each_transaction_is_in_it_whole_or_not_and_all_that_came_before(
    engine: Engine, folder: Path, tmp_path: Path
):
    """Every edit writes one row to each of two tables: a backup with half of one would show."""
    left, right = (furniture.make_table(engine, name, key=("k",)) for name in ("l", "r"))
    acknowledged, stopped = 0, threading.Event()

    def write() -> None:
        nonlocal acknowledged
        number = 0
        while not stopped.is_set():
            both = [furniture.inserting(t, (number, "x" * 200)).rows[0] for t in (left, right)]
            engine.commit(Edit(rows=tuple(both), durable=number % 5 == 0))
            acknowledged = number = number + 1
            if number % 40 == 0:
                furniture.flush(engine, left)
            if number % 150 == 0:
                furniture.compact(engine, left)
                sweep(engine)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        known = []
        for _ in range(3):
            reached = acknowledged
            while acknowledged < reached + 30:
                assert writer.is_alive()
                stopped.wait(0.005)
            sure = acknowledged
            known.append((backup(engine, folder).backup_id, sure))
    finally:
        stopped.set()
        writer.join()
    for backup_id, sure in known:
        restore(tmp_path / backup_id, folder, backup_id)
        with furniture.opened(tmp_path / backup_id) as restored:
            found = contents(restored)
            keys = [k for k, _ in found["public.l"]]
            assert keys == [k for k, _ in found["public.r"]] == list(range(len(keys)))
            assert len(keys) >= sure
            verify_cold_files(restored)


def test_two_backups_at_once_go_to_two_places(engine: Engine, table: TableDef, tmp_path: Path, folder: Path):
    target = BackupFolder(folder)
    with target.writing(), pytest.raises(LimitExceeded):
        backup(engine, folder)
    assert backup(engine, folder).backup_id != backup(engine, folder).backup_id


def test_a_backup_is_restored_into_an_empty_directory_only(engine: Engine, folder: Path, tmp_path: Path):
    backup(engine, folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(InvalidRequest, match="not empty"):
        restore(tmp_path / "full", folder)
    with pytest.raises(NotFound, match="no backup '2001'"):
        restore(tmp_path / "new", folder, "2001")
    with pytest.raises(NotFound, match="no backup in that place"):
        chosen(BackupFolder(tmp_path / "nowhere"), None)


def test_a_database_with_anything_in_it_is_not_empty(engine: Engine, table: TableDef):
    with pytest.raises(InvalidRequest, match=r"table 'public\.t'"):
        check_empty(engine.state)
    furniture.drop(engine, table)
    check_empty(engine.state)


def test_frozen_for_a_restore_nothing_is_written_and_thawed_it_is(engine: Engine):
    engine.checkpoints.freeze(check_empty, "a backup is being restored")
    with pytest.raises(Exception, match="being restored"):
        furniture.make_table(engine)
    assert engine.health == "ok"
    engine.checkpoints.thaw()
    furniture.make_table(engine)
    with pytest.raises(InvalidRequest):
        engine.checkpoints.freeze(check_empty, "a backup is being restored")
    furniture.make_table(engine, "u")
    engine.checkpoints.await_restart("a restored database waits")
    assert engine.health == "a restored database waits"


def test_a_restore_beside_an_empty_database_takes_its_place_at_the_next_start(
    engine: Engine, table: TableDef, folder: Path, tmp_path: Path, clock: ManualClock
):
    backup(engine, folder)
    new = tmp_path / "new"
    with furniture.opened(new):
        stage(new, BackupFolder(folder), None, never, lambda _: None)
        assert (new / RESTORE_READY).exists()
    with furniture.opened(new) as started:
        assert contents(started) == contents(engine)
        assert not (new / RESTORE_PART).exists()
    assert take_over(new) is False


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
