"""Files that follow their table to another storage: one edit each, whatever breaks off."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.catalog.schema import TableDef
from storage.catalog.storages import LOCAL
from storage.engine import Engine
from storage.errors import Cancelled, StorageUnavailable
from storage.maintenance.relocation import misplaced, misplaced_tables, move_step, placement
from storage.maintenance.sweep import sweep
from tests.storage.storage_folders import create, folder_storage, moved, parquet_files
from tests.support.storage_builders import (
    delete,
    files_on_disk,
    flush,
    insert,
    make_table,
    never,
    now,
    opened,
    partition,
    read_as_of,
    values,
    verify_cold_files,
)


@pytest.fixture
def table(engine: Engine, tmp_path: Path) -> TableDef:
    """Two local files, one row deleted, and a storage that it is altered to."""
    create(engine, folder_storage(tmp_path / "archive"))
    table = make_table(engine, key=("k",))
    for start in (0, 10):
        insert(engine, table, *((start + n, "x") for n in range(10)))
        flush(engine, table)
    delete(engine, table, "k", 3)
    return moved(engine, table, "archive")


def move_all(engine: Engine, table: TableDef) -> int:
    steps = 0
    while move_step(engine, table, never) is not None:
        steps += 1
    return steps


def test_files_move_one_by_one_and_nothing_else_changes(engine: Engine, table: TableDef, tmp_path: Path):
    before, seqs = values(engine, table), [(f.seq_min, f.seq_max, f.rows) for f in partition(engine, table).cold]
    seq = engine.state.last_seq
    assert move_all(engine, table) == 2
    assert misplaced(engine.state.catalog, now(engine, table), partition(engine, table)) is None
    assert values(engine, table) == before
    assert [(f.seq_min, f.seq_max, f.rows) for f in partition(engine, table).cold] == seqs
    assert read_as_of(engine, table, seq) == before
    assert files_on_disk(engine) == set()
    assert parquet_files(tmp_path / "archive") == {file.path for file in partition(engine, table).cold}
    assert verify_cold_files(engine) == 2


def test_they_move_back_under_names_that_do_not_grow(engine: Engine, table: TableDef):
    names = []
    for storage in ("archive", LOCAL, "archive", LOCAL):
        table = moved(engine, table, storage)
        move_all(engine, table)
        names.append(max(len(file.path) for file in partition(engine, table).cold))
    assert names[0] == names[2]
    assert {file.storage for file in partition(engine, table).cold} == {LOCAL}


def test_a_reader_keeps_the_old_files_until_it_ends(engine: Engine, table: TableDef, tmp_path: Path):
    with engine.snapshot() as snapshot:
        move_all(engine, table)
        assert len(files_on_disk(engine)) == 2
        assert values(engine, table, state=snapshot.state) == values(engine, table)
    sweep(engine)
    assert files_on_disk(engine) == set()


def test_a_move_that_fails_leaves_everything_where_it_was(engine: Engine, table: TableDef, tmp_path: Path):
    (tmp_path / "archive").write_text("in the way")
    with pytest.raises(StorageUnavailable):
        move_step(engine, table, never)
    with pytest.raises(Cancelled):
        move_step(engine, table, lambda: True)
    assert {file.storage for file in partition(engine, table).cold} == {LOCAL}
    assert not engine.file_stores.is_writing("archive")
    (tmp_path / "archive").unlink()
    assert move_all(engine, table) == 2


def test_moves_go_on_after_a_restart(tmp_path: Path):
    with opened(tmp_path / "data") as engine:
        create(engine, folder_storage(tmp_path / "archive"))
        table = make_table(engine)
        for number in range(3):
            insert(engine, table, (number, "x"))
            flush(engine, table)
        table = moved(engine, table, "archive")
        move_step(engine, table, never)
    with opened(tmp_path / "data") as engine:
        assert misplaced_tables(engine) == {table.table_id}
        assert move_all(engine, now(engine, table)) == 2
        assert misplaced_tables(engine) == set()
        assert values(engine, table) == [0, 1, 2]


def test_only_what_places_files_wakes_the_search(engine: Engine, table: TableDef):
    before = placement(engine.state.catalog)
    make_table(engine, "unrelated")
    assert placement(engine.state.catalog) != before  # a table more
    same = placement(engine.state.catalog)
    insert(engine, table, (50, "x"))
    assert placement(engine.state.catalog) == same
    moved(engine, table, LOCAL)
    assert placement(engine.state.catalog) != same
