"""Cleanup: what a dropped table left goes, in steps, and nothing of any other table does."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.catalog.partition_ids import owned_partition
from storage.catalog.schema import TableDef
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Conflict, ConstraintViolated
from storage.failpoints import arm, disarm
from storage.maintenance.cleanup import CleanResult, clean_dropped
from storage.maintenance.sweep import sweep
from storage.rowstore.keys import DELETES, HOT, MANIFEST, META, PK, MetaKind, dropped_range, pair_key, partition_range
from storage.state.edits import Edit, ForgetRows
from tests.support.storage_builders import (
    SPILLING,
    clean,
    delete,
    drop,
    files_on_disk,
    flush,
    insert,
    load,
    make_table,
    opened,
    values,
    verify_cold_files,
)

ROWS_AND_FILES = (HOT, DELETES, PK, MANIFEST)


def left(engine: Engine) -> list[bytes]:
    """Keys of everything in the row store that belongs to a table, its definitions too."""
    rows = [key for family in ROWS_AND_FILES for key, _ in engine.row_store.scan(family)]
    kinds = (MetaKind.TABLE, MetaKind.TABLE_VERSION, MetaKind.DROPPED, MetaKind.LOAD)
    return rows + [key for key, _ in engine.row_store.scan(META) if MetaKind(key[:1]) in kinds]


def test_a_dropped_table_leaves_no_rows_no_keys_no_files_and_no_records(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, key=("k",))
        insert(engine, table, (1, "a"), (2, "b"))
        flush(engine, table)
        insert(engine, table, (3, "c"))
        delete(engine, table, "k", 1)
        drop(engine, table)
        assert [(d.partition_id, d.table) for d in engine.dropped()] == [(table.partition_id, "public.t")]
    with opened(tmp_path, clock) as engine:
        [step] = clean(engine)
        assert (step.files, step.files_before, step.is_done) == (1, 1, True)
        assert step.bytes > 0
        assert left(engine) == []
        assert files_on_disk(engine) == set()
        again = make_table(engine, key=("k",))
        insert(engine, again, (1, "new"))
        assert values(engine, again) == [1]
        assert clean(engine) == []


def test_records_of_bulk_loads_go_with_their_table_and_no_others(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        first, second = make_table(engine, "first", key=("k",)), make_table(engine, "second", key=("k",))
        for table in (first, second):
            load(engine, table, *((n, "x") for n in range(5)))
            load(engine, table, *((n, "x") for n in range(5, 9)))
        drop(engine, first)
        clean(engine)
        assert len([key for key, _ in engine.row_store.scan(META) if key.startswith(MetaKind.LOAD.value)]) == 2
    with opened(tmp_path, clock, SPILLING) as engine:
        with pytest.raises(ConstraintViolated):
            insert(engine, second, (3, "taken"))
        drop(engine, second)
        clean(engine)
        assert left(engine) == []


def test_files_go_a_few_at_a_time_and_a_table_of_the_same_name_keeps_its_own(engine: Engine):
    first = make_table(engine, key=("k",))
    for k in range(5):
        insert(engine, first, (k, "x"))
        flush(engine, first)
    drop(engine, first)
    second = make_table(engine, key=("k",))
    insert(engine, second, (7, "y"))
    flush(engine, second)
    insert(engine, second, (8, "z"))
    steps = clean(engine, files_at_once=2)
    assert [(s.files, s.files_before, s.is_done) for s in steps] == [(2, 5, False), (2, 3, False), (1, 1, True)]
    assert values(engine, second) == [7, 8]
    assert len(files_on_disk(engine)) == 1
    verify_cold_files(engine)


def test_a_file_that_a_snapshot_reads_is_left_to_the_sweep(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    flush(engine, table)
    with engine.snapshot() as held:
        drop(engine, table)
        assert clean(engine) == [CleanResult(files_before=1, is_done=True)]
        assert values(engine, table, state=held.state) == [1]
    assert sweep(engine).files == 1


def test_cleanup_waits_for_a_load_that_is_still_to_be_refused(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        table = make_table(engine, key=("k",))
        load(engine, table, (1, "a"))
        waited: list[CleanResult] = []

        def drop_and_clean() -> None:
            drop(engine, table)
            [dropped] = engine.dropped()
            waited.append(clean_dropped(engine, dropped.partition_id))

        arm("load.after_claim", drop_and_clean)
        try:
            with pytest.raises(Conflict, match="dropped"):
                load(engine, table, (2, "b"))
        finally:
            disarm()
        assert waited == [CleanResult(is_waiting=True)]
        clean(engine)
        assert left(engine) == []


def test_the_rows_of_a_table_that_is_there_can_not_be_forgotten(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    with pytest.raises(AssertionError, match="must keep its rows"):
        engine.commit(Edit(maintenance=(ForgetRows(table.partition_id),)))
    assert values(engine, table) == [1]


def test_a_user_tables_record_stands_for_all_owners_and_an_owners_for_theirs_alone():
    whole = dropped_range(owned_partition(5, 0))
    for owner in (0, 1, (1 << 32) - 1):
        assert whole[0] <= pair_key(owned_partition(5, owner), 1 << 60) < whole[1]
    for other in (5, owned_partition(4, 9), owned_partition(6, 0)):
        assert not whole[0] <= pair_key(other, 1) < whole[1]
    assert dropped_range(owned_partition(5, 9)) == partition_range(owned_partition(5, 9))
    assert dropped_range(5) == partition_range(5)
