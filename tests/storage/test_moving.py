"""Flush, compaction and sweep: rows move, files come and go, and nobody who reads notices."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from storage.clock import ManualClock
from storage.compaction import FILES_KEPT_MAX, compact_partition, plan_compaction
from storage.edits import Edit, FlushChange
from storage.engine import Engine
from storage.errors import Cancelled, Conflict, Corruption, NotFound, StorageUnavailable
from storage.flush import FlushReason, flush_partition, plan_flush
from storage.keys import DELETES, HOT, MANIFEST, PK
from storage.options import FlushPolicy
from storage.schema import Column, TableDef
from storage.settings import StorageSettings
from tests.storage.furniture import (
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
    never,
    now,
    opened,
    partition,
    read,
    read_as_of,
    values,
)

ONE_HOUR = 3600


@pytest.fixture
def table(engine: Engine) -> TableDef:
    return make_table(engine)


def between(action: Callable[[], object]) -> Callable[[], bool]:
    """A `cancelled` that does something else, once, while files are being written."""
    done: list[object] = []

    def cancelled() -> bool:
        if not done:
            done.append(True)
            action()
        return False

    return cancelled


def flush_while(engine: Engine, table: TableDef, action: Callable[[], object]) -> None:
    flush_partition(engine, table, partition(engine, table), between(action))


def compact_while(engine: Engine, table: TableDef, action: Callable[[], object]) -> None:
    state = partition(engine, table)
    plan = plan_compaction(now(engine, table), state, engine.settings, engine.clock.wall_ms(), force=True)
    assert plan is not None
    compact_partition(engine, now(engine, table), state, plan, between(action))


@pytest.mark.parametrize(
    ("policy", "seconds", "reason"),
    [
        (FlushPolicy(rows=3), 0, FlushReason.ROWS),
        (FlushPolicy(bytes=20), 0, FlushReason.BYTES),
        (FlushPolicy(interval_seconds=60), 60, FlushReason.INTERVAL),
        (FlushPolicy(interval_seconds=60), 59, None),
    ],
)
def test_the_first_limit_reached_is_the_reason_to_flush(
    engine: Engine, clock: ManualClock, policy: FlushPolicy, seconds: int, reason: FlushReason | None
):
    table = make_table(engine, flush_policy=policy)
    assert plan_flush(table, partition(engine, table), clock.wall_ms()) is None
    insert(engine, table, (1, "a"), (2, "b"), (3, "c"))
    clock.advance(seconds)
    assert plan_flush(table, partition(engine, table), clock.wall_ms()) == reason


def test_a_flush_moves_all_rows_and_changes_none(engine: Engine, table: TableDef):
    insert(engine, table, (2, "b"), (1, "a"))
    insert(engine, table, (3, "c"))
    delete(engine, table, "k", 2)
    before = read(engine, table)
    figures = flush(engine, table)
    assert figures is not None
    assert (figures.rows, figures.files) == (3, 1)
    assert read(engine, table) == before
    assert partition(engine, table).hot_rows == 0
    assert partition(engine, table).rows == 2
    assert flush(engine, table) is None


def test_rows_that_come_in_during_a_flush_stay_hot(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    flush_while(engine, table, lambda: insert(engine, table, (2, "b"), (3, "c")))
    assert partition(engine, table).hot_rows == 2
    assert values(engine, table) == [1, 2, 3]


def test_deletes_during_a_flush_hold_for_the_file(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"), (2, "b"))
    flush_while(engine, table, lambda: delete(engine, table, "k", 1))
    assert values(engine, table) == [2]
    assert partition(engine, table).rows == 1


def test_a_column_added_during_a_flush_is_there_afterwards(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    added = Column(name="n", physical_name="n", type=table.columns[0].type, sql_type="BIGINT")
    flush_while(engine, table, lambda: alter(engine, table, columns=(*table.columns, added)))
    assert [(row["k"], row["n"]) for row in read(engine, table)] == [(1, None)]


def test_a_table_dropped_during_a_flush_leaves_no_file(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    with pytest.raises(NotFound, match="dropped"):
        flush_while(engine, table, lambda: drop(engine, table))
    assert files_on_disk(engine) == set()


def test_a_table_renamed_during_a_flush_keeps_its_rows(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    moved = type(table.name)(table.name.namespace, "other")
    flush_while(
        engine, table, lambda: engine.commit(Edit(catalog=lambda c: c.with_renamed_table(c.table_by_id(table), moved)))
    )
    insert(engine, now(engine, table), (2, "b"))
    flush(engine, now(engine, table))
    assert values(engine, table) == [1, 2]


def test_a_cancelled_flush_leaves_rows_hot_and_no_file(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    with pytest.raises(Cancelled):
        flush_partition(engine, table, partition(engine, table), lambda: True)
    assert partition(engine, table).hot_rows == 1
    assert files_on_disk(engine) == set()
    flush(engine, table)
    assert values(engine, table) == [1]


def test_a_file_that_a_crash_left_under_the_same_name_does_not_stop_a_flush(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    flush(engine, table)
    (path,) = files_on_disk(engine)
    engine.commit(Edit(catalog=lambda c: c.without_table(table.name)))
    again = make_table(engine)
    first = insert(engine, again, (1, "a"))
    orphan = engine.files.full(path).with_name(
        path.rpartition("-")[0].rpartition("/")[2] + f"-{first.seq_first:x}.parquet"
    )
    orphan.write_bytes(b"half")
    flush(engine, again)
    assert values(engine, again) == [1]
    engine.sweep_now()
    assert not orphan.exists()
    assert values(engine, again) == [1]


def test_flushes_and_writers_at_once_lose_and_double_nothing(engine: Engine):
    table = make_table(engine, key=("k",))
    stop = threading.Event()

    def write(worker: int) -> set[int]:
        live = set()
        for i in range(60):
            insert(engine, table, (worker * 1000 + i, "x"))
            live.add(worker * 1000 + i)
            if i % 3 == 2:
                delete(engine, table, "k", worker * 1000 + i - 1)
                live.discard(worker * 1000 + i - 1)
        return live

    def move() -> None:
        while not stop.is_set():
            flush(engine, table)
            compact(engine, table)
            engine.sweep_now()

    with ThreadPoolExecutor(5) as pool:
        mover = pool.submit(move)
        live = set().union(*pool.map(write, range(3)))
        stop.set()
        mover.result(30)
    assert values(engine, table) == sorted(live)
    assert partition(engine, table).rows == len(live)


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
    engine.sweep_now()
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
    engine.sweep_now()
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
        engine.sweep_now()

    compact_while(engine, table, meanwhile)
    assert values(engine, table) == [0, 2, 7]
    assert partition(engine, table).rows == 3


def test_a_table_dropped_and_swept_during_a_compaction_is_no_damage(engine: Engine, table: TableDef):
    for k in range(3):
        insert(engine, table, (k, "x"))
        flush(engine, table)

    def meanwhile() -> None:
        drop(engine, table)
        engine.sweep_now()

    with pytest.raises(NotFound):
        compact_while(engine, table, meanwhile)
    engine.sweep_now()
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
        engine.verify_cold_files()
    damaged.unlink()
    with pytest.raises(Corruption, match="missing"):
        engine.verify_cold_files()
    engine.sweep_now()
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


def test_the_sweep_removes_orphans_and_parts_and_nothing_else(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    flush(engine, table)
    live = files_on_disk(engine)
    folder = engine.files.full(next(iter(live))).parent
    (folder / "2020-01-01T00-00-00-1.parquet").write_bytes(b"x" * 10)
    (folder / "2020-01-01T00-00-00-2.parquet.part").write_bytes(b"x" * 5)
    swept = engine.sweep_now()
    assert (swept.files, swept.bytes) == (2, 15)
    assert files_on_disk(engine) == live
    assert engine.sweep_now().files == 0


def test_files_that_a_snapshot_reads_stay_until_it_is_closed(engine: Engine, table: TableDef):
    for k in range(3):
        insert(engine, table, (k, "x"))
        flush(engine, table)
    with engine.snapshot() as held:
        compact(engine, table)
        drop(engine, table)
        engine.sweep_now()
        assert values(engine, table, state=held.state) == [0, 1, 2]
    assert engine.sweep_now().files == 4 - 1
    assert files_on_disk(engine) == set()


def test_a_snapshot_that_was_forgotten_holds_nothing_for_ever(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    flush(engine, table)
    engine.snapshot()
    assert engine.snapshots.count() == 0


def test_a_dropped_table_leaves_no_rows_no_keys_and_no_files(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, key=("k",))
        insert(engine, table, (1, "a"), (2, "b"))
        flush(engine, table)
        insert(engine, table, (3, "c"))
        delete(engine, table, "k", 1)
        drop(engine, table)
        assert engine.dropped_partitions() == [table.partition_id]
    with opened(tmp_path, clock) as engine:
        assert engine.sweep_now().partitions == 1
        assert engine.dropped_partitions() == []
        assert [key for family in (HOT, DELETES, PK, MANIFEST) for key, _ in engine._store.scan(family)] == []
        assert files_on_disk(engine) == set()
        again = make_table(engine, key=("k",))
        insert(engine, again, (1, "new"))
        assert values(engine, again) == [1]


def test_sweeps_and_loads_at_once_never_take_a_file_that_is_needed(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        table = make_table(engine)
        stop = threading.Event()

        def sweep() -> None:
            while not stop.is_set():
                engine.sweep_now()

        def work(worker: int) -> None:
            for i in range(25):
                load(engine, table, (worker * 100 + i, "x"))
                if i % 5 == 4:
                    own = engine.begin()
                    own.rollback()

        with ThreadPoolExecutor(4) as pool:
            sweepers = [pool.submit(sweep) for _ in range(2)]
            list(pool.map(work, range(2)))
            stop.set()
            for sweeper in sweepers:
                sweeper.result(30)
        assert values(engine, table) == sorted(w * 100 + i for w in range(2) for i in range(25))
        assert engine.verify_cold_files() == 50


def test_a_flush_that_the_disk_refuses_leaves_rows_hot_and_the_folder_clean(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    folder = engine.cold_directory / "public"
    folder.write_bytes(b"a file where a folder should be")
    with pytest.raises(StorageUnavailable):
        flush(engine, table)
    folder.unlink()
    assert values(engine, table) == [1]
    flush(engine, table)
    assert values(engine, table) == [1]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """The process may not write files beyond some size: what a full disk looks like to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_file_that_does_not_fit_on_the_disk_is_removed_again(engine: Engine, table: TableDef, small_disk: None):
    insert(engine, table, *((k, f"{k * 7919:040x}") for k in range(5000)))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    with pytest.raises(StorageUnavailable, match="cold file"):
        flush(engine, table)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert files_on_disk(engine) == set()
    assert engine.health == "ok"
    flush(engine, table)
    assert values(engine, table) == list(range(5000))


def test_a_flush_change_for_an_unknown_partition_is_refused(engine: Engine):
    with pytest.raises(NotFound):
        engine.commit(Edit(maintenance=(FlushChange(999, 1, ()),)))
