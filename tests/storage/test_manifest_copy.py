"""The copy of the manifest beside a table's files: all that is needed to rebuild the table, whole at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.backup.manifest_copy import DELETES_SECONDS, ManifestCopies, ManifestCopy, copy_of, read_copy
from storage.catalog.folder_templates import folder_of
from storage.catalog.names import table_name
from storage.catalog.schema import TableDef, TableKind
from storage.clock import ManualClock
from storage.cold.file_names import COPY_NAME
from storage.engine import Engine
from storage.errors import StorageUnavailable
from storage.maintenance.sweep import sweep
from storage.rowstore.owners import OwnerKey
from storage.settings import StorageSettings
from storage.state.edits import Edit
from tests.support.storage_builders import (
    SPILLING,
    alter,
    compact,
    delete,
    drop,
    files_on_disk,
    flush,
    insert,
    load,
    make_table,
    now,
    opened,
    partition,
)


def stored(engine: Engine, table: TableDef) -> ManifestCopy:
    return read_copy((engine.files.root / folder_of(table) / COPY_NAME).read_bytes())


def check(engine: Engine, table: TableDef) -> None:
    """The copy says of the table's cold side what the state says."""
    copy, state = stored(engine, table), partition(engine, table)
    assert copy.table == now(engine, table)
    assert copy.files == state.cold
    seqs, commits = copy.deletes
    known = state.deletes.all
    assert (seqs.tolist(), commits.tolist()) == (known.seqs.tolist(), known.commits.tolist())
    assert copy.seq_min == min(f.seq_min for f in state.cold)
    assert copy.seq_max == max(f.seq_max for f in state.cold)


def test_each_change_of_the_files_or_the_definition_is_copied_once(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        copies = ManifestCopies(engine)
        table = make_table(engine, key=("k",))
        assert copies.write_changed() == 0  # there is nothing to rebuild yet
        insert(engine, table, (1, "a"), (2, "b"))
        flush(engine, table)
        assert (copies.write_changed(), copies.write_changed()) == (1, 0)
        check(engine, table)
        load(engine, table, (3, "c"), (4, "d"))
        delete(engine, table, "k", 1, 4)
        assert copies.write_changed() == 1
        check(engine, table)
        table = alter(engine, table, comment="other")
        assert copies.write_changed() == 1
        check(engine, table)
        compact(engine, table)
        assert copies.write_changed() == 1
        check(engine, table)
        insert(engine, table, (5, "hot"))
        assert copies.write_changed() == 0
    with opened(tmp_path, clock, SPILLING) as engine:
        assert ManifestCopies(engine).write_changed() == 0


def test_what_a_crash_left_out_or_damaged_is_written_at_the_next_start(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine)
        insert(engine, table, (1, "a"))
        flush(engine, table)
    path = tmp_path / "cold" / "public" / "t" / COPY_NAME
    for content in (None, b"", b"{}", b"\xff\xfe"):
        path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        path.with_name(COPY_NAME + ".part").write_bytes(b"half")
        with opened(tmp_path, clock) as engine:
            assert ManifestCopies(engine).write_changed() == 1
            check(engine, table)
            assert [p.name for p in path.parent.glob("*.part")] == []


def test_a_table_that_is_renamed_or_dropped_takes_its_copy_along(engine: Engine):
    copies = ManifestCopies(engine)
    table = make_table(engine)
    insert(engine, table, (1, "a"))
    flush(engine, table)
    copies.write_changed()
    new_name = table_name("public", "other")
    engine.commit(Edit(catalog=lambda c: c.with_renamed_table(c.table_by_id(table), new_name)))
    copies.write_changed()
    check(engine, now(engine, table))
    assert [p.parent.name for p in engine.files.root.rglob(COPY_NAME)] == ["other"]
    drop(engine, table)
    copies.write_changed()
    assert list(engine.files.root.rglob(COPY_NAME)) == []


def test_copies_are_no_cold_files_and_the_sweep_leaves_them(engine: Engine, clock: ManualClock):
    table = make_table(engine)
    insert(engine, table, (1, "a"))
    flush(engine, table)
    ManifestCopies(engine).write_changed()
    clock.advance(10_000)
    sweep(engine)
    check(engine, table)
    assert len(files_on_disk(engine)) == 1


def test_a_copy_that_cannot_be_written_leaves_the_last_one_and_is_tried_again(engine: Engine):
    copies, table = ManifestCopies(engine), make_table(engine)
    insert(engine, table, (1, "a"))
    flush(engine, table)
    copies.write_changed()
    before = stored(engine, table)
    in_the_way = engine.files.root / "public" / "t" / (COPY_NAME + ".part")
    in_the_way.mkdir()
    insert(engine, table, (2, "b"))
    flush(engine, table)
    with pytest.raises(StorageUnavailable):
        copies.write_changed()
    assert stored(engine, table) == before
    in_the_way.rmdir()
    assert copies.write_changed() == 1
    check(engine, table)
    assert copy_of(engine.state, now(engine, table), engine.state.partition(table.partition_id)) == stored(
        engine, table
    )


def test_deletes_alone_are_copied_too_though_not_at_once(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        copies = ManifestCopies(engine)
        table = make_table(engine)
        insert(engine, table, (1, "a"), (2, "b"), (3, "c"))
        flush(engine, table)
        assert copies.write_changed() == 1
        delete(engine, table, "k", 1)
        assert copies.write_changed() == 0
        clock.advance(DELETES_SECONDS)
        assert (copies.write_changed(), copies.write_changed()) == (1, 0)
        check(engine, table)
        delete(engine, table, "k", 2)
        assert copies.write_changed() == 0
    with opened(tmp_path, clock) as engine:  # what a stop left out is made up for at once
        assert (ManifestCopies(engine).write_changed(), ManifestCopies(engine).write_changed()) == (1, 0)
        check(engine, table)


def test_users_partitions_have_copies_even_if_they_left_memory_before(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, StorageSettings(user_partitions_max=1)) as engine:
        copies = ManifestCopies(engine)
        table = make_table(engine, kind=TableKind.USER)
        owned = [table.owned_by(engine.users.owner(OwnerKey(name))) for name in ("ann", "bob", "cy")]
        for number, each in enumerate(owned):
            insert(engine, each, (number, "a"))
            flush(engine, each)
        assert len(list(engine.users.partitions_in_memory(table))) < 3
        assert (copies.write_changed(), copies.write_changed()) == (3, 0)
        for each in owned:
            assert [file.rows for file in stored(engine, each).files] == [1]
        drop(engine, table)
        copies.write_changed()
        assert not list(engine.files.root.rglob(COPY_NAME))
