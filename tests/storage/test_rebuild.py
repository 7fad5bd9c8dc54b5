"""A data directory whose row store is lost: its tables come back from copies of the manifest and from files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from storage.backup.manifest_copy import DELETES_SECONDS, ManifestCopies
from storage.backup.rebuild import Rebuilt, rebuild
from storage.catalog.schema import TableDef
from storage.catalog.storages import StorageDef, StorageType
from storage.clock import ManualClock
from storage.cold.file_names import COPY_NAME, holds_cold_files
from storage.cold.ownership_marker import new_claim
from storage.engine import Engine
from storage.errors import Corruption, InvalidRequest
from storage.maintenance.sweep import sweep
from storage.rowstore.startup_check import check_at_startup, read_through
from storage.state.edits import Edit
from tests.support import storage_builders as furniture
from tests.support.storage_builders import SPILLING, verify_cold_files

Fill = Callable[[Engine, ManifestCopies], object]


def recovered(directory: Path, to: Path | None = None) -> Rebuilt:
    return rebuild(directory, to, str)


def lose_rows(directory: Path) -> None:
    shutil.rmtree(directory / "rows")


def contents(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    tables = engine.state.catalog.tables.values()
    return {str(t.name): sorted(tuple(row.values())[1:] for row in furniture.read(engine, t)) for t in tables}


def made(directory: Path, clock: ManualClock, fill: Fill) -> dict[str, list[tuple[Any, ...]]]:
    """A directory that `fill` filled, and what it holds; its row store is gone."""
    with furniture.opened(directory, clock) as engine:
        copies = ManifestCopies(engine)
        fill(engine, copies)
        copies.write_changed()
        before = contents(engine)
    lose_rows(directory)
    with pytest.raises(Corruption), furniture.opened(directory, clock):
        pass
    return before


def cold_table(engine: Engine, name: str = "t", **more: Any) -> TableDef:
    table = furniture.make_table(engine, name, **more)
    furniture.insert(engine, table, *((n, f"v{n}") for n in range(100)))
    furniture.flush(engine, table)
    return table


def test_tables_come_back_with_their_keys_and_their_deletes(tmp_path: Path, clock: ManualClock):
    def fill(engine: Engine, copies: ManifestCopies) -> None:
        table = furniture.alter(engine, cold_table(engine, key=("k",)), comment="kept")
        furniture.insert(engine, table, *((n, "more") for n in range(200, 220)))
        furniture.flush(engine, table)
        furniture.delete(engine, table, "k", 5, 6, 210)
        cold_table(engine, "log")

    before = made(tmp_path, clock, fill)
    found = recovered(tmp_path)
    assert (found.is_whole, found.tables, found.files, found.rows, found.doubled) == (True, 2, 3, 217, 0)
    assert found.remains.left_out == []
    with furniture.opened(tmp_path, clock) as engine:
        assert contents(engine) == before
        assert verify_cold_files(engine) == 3
        assert read_through(engine.row_store) > 0
        sweep(engine)
        assert contents(engine) == before
        table = next(t for t in engine.state.catalog.tables.values() if t.name.table == "t")
        assert table.comment == "kept"
        with pytest.raises(Exception, match="already"):
            furniture.insert(engine, table, (7, "taken"))
        furniture.insert(engine, table, (5, "free"))
        furniture.flush(engine, table)
        furniture.compact(engine, table)
        assert (5, "free") in contents(engine)["public.t"]
    with furniture.opened(tmp_path, clock) as engine:
        assert len(contents(engine)["public.t"]) == 118


def test_hot_rows_are_lost_and_nothing_else(tmp_path: Path, clock: ManualClock):
    def fill(engine: Engine, copies: ManifestCopies) -> None:
        table = cold_table(engine)
        copies.write_changed()
        furniture.insert(engine, table, (1000, "hot"))

    before = made(tmp_path, clock, fill)
    recovered(tmp_path)
    with furniture.opened(tmp_path, clock) as engine:
        assert contents(engine) == {"public.t": before["public.t"][:-1]}


def test_deletes_come_back_only_if_they_are_younger_than_the_copy(tmp_path: Path, clock: ManualClock):
    def fill(engine: Engine, copies: ManifestCopies) -> None:
        table = cold_table(engine)
        copies.write_changed()
        clock.advance(DELETES_SECONDS)
        furniture.delete(engine, table, "k", 1)
        copies.write_changed()
        furniture.delete(engine, table, "k", 2)

    before = made(tmp_path, clock, fill)
    recovered(tmp_path)
    with furniture.opened(tmp_path, clock) as engine:
        assert contents(engine)["public.t"] == sorted([*before["public.t"], (2, "v2")])


def test_of_two_versions_of_a_key_the_later_one_counts(tmp_path: Path, clock: ManualClock):
    """The new version was flushed, but the copy that knows of it and of the old one's delete was never written."""

    def fill(engine: Engine, copies: ManifestCopies) -> None:
        table = cold_table(engine, key=("k",))
        copies.write_changed()
        furniture.delete(engine, table, "k", 3)
        furniture.insert(engine, table, (3, "new"))
        furniture.flush(engine, table)
        engine.checkpoints.await_restart("copies are not written any more")

    before = made(tmp_path, clock, fill)
    found = recovered(tmp_path)
    assert found.doubled == 1
    assert any("just flushed" in note for note in found.remains.notes)
    with furniture.opened(tmp_path, clock) as engine:
        assert contents(engine) == before
        [table] = engine.state.catalog.tables.values()
        assert engine.state.partition(table.partition_id).rows == 100


def test_what_compaction_replaced_does_not_come_back_twice(tmp_path: Path, clock: ManualClock):
    def fill(engine: Engine, copies: ManifestCopies) -> None:
        table = cold_table(engine)
        furniture.insert(engine, table, (1000, "b"))
        furniture.flush(engine, table)
        with engine.snapshot():  # keeps the files that are replaced
            furniture.compact(engine, table)

    before = made(tmp_path, clock, fill)
    found = recovered(tmp_path)
    assert len(found.remains.left_out) == 2
    assert all((tmp_path / "left-out" / path).exists() for path in found.remains.left_out)
    with furniture.opened(tmp_path, clock) as engine:
        sweep(engine)
        assert contents(engine) == before


def test_a_file_that_is_missing_or_damaged_is_named_and_the_rest_comes_back(tmp_path: Path, clock: ManualClock):
    paths: list[str] = []

    def fill(engine: Engine, copies: ManifestCopies) -> None:
        table = cold_table(engine, key=("k",))
        for n in (1000, 2000):
            furniture.insert(engine, table, (n, "x"))
            furniture.flush(engine, table)
        furniture.delete(engine, table, "k", 1000)
        paths.extend(file.path for file in furniture.partition(engine, table).cold)

    made(tmp_path, clock, fill)
    (tmp_path / "cold" / paths[1]).unlink()
    damaged = tmp_path / "cold" / paths[2]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    found = recovered(tmp_path)
    assert (found.remains.missing, found.remains.damaged, found.is_whole) == ([paths[1]], [paths[2]], False)
    assert (tmp_path / "left-out" / paths[2]).exists()
    with furniture.opened(tmp_path, clock) as engine:
        assert len(contents(engine)["public.t"]) == 100
        [table] = engine.state.catalog.tables.values()
        assert engine.state.partition(table.partition_id).rows == 100  # the delete of a row that is gone counts no more


def test_without_any_copy_the_files_alone_make_a_table(tmp_path: Path, clock: ManualClock):
    def fill(engine: Engine, copies: ManifestCopies) -> None:
        table = cold_table(engine)
        furniture.insert(engine, table, (1000, "b"))
        furniture.flush(engine, table)

    before = made(tmp_path, clock, fill)
    (tmp_path / "cold" / "public" / "t" / COPY_NAME).write_bytes(b"{ rotten")
    found = recovered(tmp_path)
    assert any("no copy" in note for note in found.remains.notes)
    with furniture.opened(tmp_path, clock) as engine:
        assert contents(engine) == before
        [table] = engine.state.catalog.tables.values()
        furniture.insert(engine, table, (2000, "c"))
        furniture.flush(engine, table)
        furniture.compact(engine, table)
        assert len(contents(engine)["public.t"]) == 102


def test_bulk_loads_come_back_by_their_copy_and_are_left_out_without_one(tmp_path: Path, clock: ManualClock):
    with furniture.opened(tmp_path / "data", clock, SPILLING) as engine:
        table = furniture.make_table(engine, key=("k",))
        furniture.load(engine, table, *((n, "bulk") for n in range(3000)))
        furniture.delete(engine, table, "k", 7)
        ManifestCopies(engine).write_changed()
        before = contents(engine)
    shutil.copytree(tmp_path / "data", tmp_path / "bare")
    for directory in (tmp_path / "data", tmp_path / "bare"):
        lose_rows(directory)
    recovered(tmp_path / "data")
    with furniture.opened(tmp_path / "data", clock) as engine:
        assert contents(engine) == before
        with pytest.raises(Exception, match="already"):
            furniture.insert(engine, next(iter(engine.state.catalog.tables.values())), (8, "taken"))
    (tmp_path / "bare" / "cold" / "public" / "t" / COPY_NAME).unlink()
    with pytest.raises(InvalidRequest, match="no cold files to rebuild"):
        recovered(tmp_path / "bare")


def test_into_a_new_directory_nothing_of_the_old_one_changes(tmp_path: Path, clock: ManualClock):
    before = made(tmp_path / "old", clock, lambda engine, _: cold_table(engine, key=("k",)))
    there = sorted(path for path in (tmp_path / "old").rglob("*"))
    recovered(tmp_path / "old", tmp_path / "new")
    assert sorted(path for path in (tmp_path / "old").rglob("*")) == there
    with furniture.opened(tmp_path / "new", clock) as engine:
        assert contents(engine) == before
    with pytest.raises(InvalidRequest, match="not empty"):
        recovered(tmp_path / "old", tmp_path / "new")


def test_a_damaged_row_store_is_renamed_and_a_whole_one_left_alone(tmp_path: Path, clock: ManualClock):
    with furniture.opened(tmp_path, clock) as engine:
        table = cold_table(engine, key=("k",))
        furniture.insert(engine, table, *((n, "hot") for n in range(1000, 1050)))
        ManifestCopies(engine).write_changed()
    with pytest.raises(InvalidRequest, match="nothing to recover"):
        recovered(tmp_path)
    for store in (tmp_path / "rows").glob("*.sst"):
        data = bytearray(store.read_bytes())
        data[len(data) // 4] ^= 1
        store.write_bytes(data)
    with pytest.raises(Corruption):
        check_at_startup(tmp_path / "rows", partial(holds_cold_files, tmp_path / "cold"))
    found = recovered(tmp_path)
    assert found.old_rows == "rows.lost-1"
    assert any((tmp_path / "rows.lost-1").glob("*.sst"))
    with furniture.opened(tmp_path, clock) as engine:
        assert len(contents(engine)["public.t"]) == 100


def test_files_of_a_storage_of_this_machine_come_back_where_they_are(tmp_path: Path, clock: ManualClock):
    uri = f"file://{tmp_path}/archive"
    archive = StorageDef(name="archive", type=StorageType.FILESYSTEM, uri=uri, claim=new_claim(), credentials="sealed")

    def fill(engine: Engine, copies: ManifestCopies) -> None:
        engine.commit(Edit(catalog=lambda catalog: catalog.with_storage(archive)))
        cold_table(engine, key=("k",), storage="archive")

    before = made(tmp_path / "data", clock, fill)
    assert b"sealed" not in (tmp_path / "data" / "cold" / "public" / "t" / COPY_NAME).read_bytes()
    recovered(tmp_path / "data")
    with furniture.opened(tmp_path / "data", clock) as engine:
        assert contents(engine) == before
        [table] = engine.state.catalog.tables.values()
        furniture.insert(engine, table, (1000, "b"))
        furniture.flush(engine, table)
        assert {file.storage for file in furniture.partition(engine, table).cold} == {"archive"}


def test_cut_off_anywhere_it_can_be_run_again(tmp_path: Path, clock: ManualClock):
    before = made(tmp_path, clock, lambda engine, _: cold_table(engine, key=("k",)))
    (tmp_path / "rows.part").mkdir()  # while it was being built
    (tmp_path / "rows.part" / "000008.log").write_bytes(b"half of it")
    recovered(tmp_path)
    (tmp_path / "rows").rename(tmp_path / "rows.lost-9")  # between the two renames
    with pytest.raises(Corruption, match="recover"), furniture.opened(tmp_path, clock):
        pass
    recovered(tmp_path)
    with furniture.opened(tmp_path, clock) as engine:
        assert contents(engine) == before
