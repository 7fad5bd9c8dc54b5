"""Compaction: many files become few, and only what is past the retention is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from storage.catalog.schema import TableDef
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Conflict, Corruption, NotFound
from storage.maintenance.compaction import FILES_KEPT_MAX, compact_partition, plan_compaction
from storage.maintenance.sweep import sweep
from storage.settings import StorageSettings
from tests.support.storage_builders import (
    between,
    compact,
    delete,
    drop,
    files_on_disk,
    flush,
    insert,
    make_table,
    never,
    now,
    opened,
    partition,
    read,
    read_as_of,
    values,
    verify_cold_files,
)

ONE_HOUR = 3600


def compact_while(engine: Engine, table: TableDef, action: Callable[[], object]) -> None:
    state = partition(engine, table)
    plan = plan_compaction(now(engine, table), state, engine.settings, engine.clock.wall_ms(), force=True)
    assert plan is not None
    compact_partition(engine, now(engine, table), state, plan, between(action))


def test_few_small_files_are_left_alone_and_many_are_merged(engine: Engine, table: TableDef):
    for k in range(FILES_KEPT_MAX + 1):
        assert compact(engine, table, force=False) is None
        insert(engine, table, (k, "x"))
        flush(engine, table)
    before = read(engine, table)
    figures = compact(engine, table, force=False)
    assert figures is not None
    assert (figures.files_before, figures.files_after, figures.purged) == (FILES_KEPT_MAX + 1, 1, 0)
    assert read(engine, table) == before
    assert compact(engine, table) is None


@pytest.mark.parametrize(("seconds", "purged"), [(ONE_HOUR - 1, 0), (ONE_HOUR + 1, 2)])
def test_deleted_rows_are_purged_once_the_retention_is_over(
    engine: Engine, clock: ManualClock, seconds: int, purged: int
):
    table = make_table(engine, deleted_retention_seconds=ONE_HOUR)
    insert(engine, table, *((k, "x") for k in range(4)))
    flush(engine, table)
    moment = engine.state.last_seq
    delete(engine, table, "k", 1, 2)
    clock.advance(seconds)
    later = insert(engine, table, (9, "later")).seq_last
    figures = compact(engine, table, force=False)
    assert (0 if figures is None else figures.purged) == purged
    assert values(engine, table) == [0, 3, 9]
    assert partition(engine, table).rows == 3
    assert read_as_of(engine, table, later) == [0, 3, 9]
    if not purged:
        assert read_as_of(engine, table, moment) == [0, 1, 2, 3]


def test_deletes_within_the_retention_survive_a_compaction_with_purge(engine: Engine, clock: ManualClock):
    table = make_table(engine, deleted_retention_seconds=ONE_HOUR)
    insert(engine, table, *((k, "x") for k in range(6)))
    flush(engine, table)
    delete(engine, table, "k", 1, 2)
    clock.advance(ONE_HOUR)
    moment = insert(engine, table, (9, "later")).seq_last
    delete(engine, table, "k", 3, 9)
    clock.advance(10)
    figures = compact(engine, table)
    assert figures is not None
    assert figures.purged == 2
    assert values(engine, table) == [0, 4, 5]
    assert read_as_of(engine, table, moment) == [0, 3, 4, 5, 9]


def test_with_the_retention_off_nothing_is_ever_purged(engine: Engine, table: TableDef, clock: ManualClock):
    insert(engine, table, (1, "a"), (2, "b"))
    flush(engine, table)
    delete(engine, table, "k", 1, 2)
    clock.advance(10**9)
    assert compact(engine, table) is None
    assert len(partition(engine, table).deletes) == 2


def test_a_file_whose_rows_are_all_purged_is_replaced_by_none(engine: Engine, clock: ManualClock):
    table = make_table(engine, deleted_retention_seconds=0)
    insert(engine, table, (1, "a"), (2, "b"))
    flush(engine, table)
    delete(engine, table, "k", 1, 2)
    clock.advance(1)
    compact(engine, table)
    assert partition(engine, table).cold == ()
    assert len(partition(engine, table).deletes) == 0
    sweep(engine)
    assert files_on_disk(engine) == set()


def test_one_delete_record_may_be_purged_in_parts(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, deleted_retention_seconds=0)
        insert(engine, table, (1, "a"), (2, "b"))
        flush(engine, table)
        insert(engine, table, (3, "c"), (4, "d"))
        delete(engine, table, "k", 1, 2, 3)
        clock.advance(1)
        compact(engine, table)
        assert len(partition(engine, table).deletes) == 1
    with opened(tmp_path, clock) as engine:
        assert values(engine, table) == [4]
        assert partition(engine, table).rows == 1


def test_an_open_snapshot_holds_back_the_purge_and_no_plan_comes_back_for_ever(engine: Engine, clock: ManualClock):
    table = make_table(engine, deleted_retention_seconds=0)
    insert(engine, table, (1, "a"), (2, "b"))
    flush(engine, table)
    with engine.snapshot():
        delete(engine, table, "k", 1)
        clock.advance(10)
        assert compact(engine, table, force=False) is None
    figures = compact(engine, table, force=False)
    assert figures is not None
    assert figures.purged == 1


def test_a_plan_that_was_overtaken_is_a_conflict(engine: Engine, table: TableDef):
    for k in range(2):
        insert(engine, table, (k, "x"))
        flush(engine, table)
    state = partition(engine, table)
    plan = plan_compaction(table, state, engine.settings, engine.clock.wall_ms(), force=True)
    assert plan is not None
    compact(engine, table)
    sweep(engine)
    with pytest.raises(Conflict, match="another job"):
        compact_partition(engine, table, state, plan, never)
    assert values(engine, table) == [0, 1]


def test_changes_during_a_compaction_hold(engine: Engine, table: TableDef):
    for k in range(3):
        insert(engine, table, (k, "x"))
        flush(engine, table)

    def meanwhile() -> None:
        delete(engine, table, "k", 1)
        insert(engine, table, (7, "y"))
        sweep(engine)

    compact_while(engine, table, meanwhile)
    assert values(engine, table) == [0, 2, 7]
    assert partition(engine, table).rows == 3


def test_a_table_dropped_and_swept_during_a_compaction_is_no_damage(engine: Engine, table: TableDef):
    for k in range(3):
        insert(engine, table, (k, "x"))
        flush(engine, table)

    def meanwhile() -> None:
        drop(engine, table)
        sweep(engine)

    with pytest.raises(NotFound):
        compact_while(engine, table, meanwhile)
    sweep(engine)
    assert files_on_disk(engine) == set()


def test_damage_stops_a_compaction_and_keeps_the_old_files(engine: Engine, table: TableDef):
    for k in range(2):
        insert(engine, table, (k, "x"))
        flush(engine, table)
    files = files_on_disk(engine)
    damaged = engine.files.full(partition(engine, table).cold[1].path)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 3] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(Corruption, match="checksum"):
        compact(engine, table)
    with pytest.raises(Corruption, match="checksum"):
        verify_cold_files(engine)
    damaged.unlink()
    with pytest.raises(Corruption, match="missing"):
        verify_cold_files(engine)
    sweep(engine)
    assert files_on_disk(engine) == files - {partition(engine, table).cold[1].path}


def test_a_big_compaction_splits_its_files_at_the_target_size(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, StorageSettings(row_group_rows=1024, file_bytes_target=1 << 20)) as engine:
        table, random = make_table(engine), Random(1)
        for first in (0, 30_000):
            insert(engine, table, *((k, random.randbytes(20).hex()) for k in range(first, first + 30_000)))
            flush(engine, table)
        figures = compact(engine, table)
        assert figures is not None
        assert figures.files_after > 1
        assert values(engine, table) == list(range(60_000))
