"""Flush: rows cross the frost line, whatever happens meanwhile, and nobody who reads notices."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.catalog.schema import Column, TableDef
from storage.catalog.table_options import FlushPolicy
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Cancelled, NotFound, StorageUnavailable
from storage.maintenance.flush import FlushReason, flush_partition, plan_flush
from storage.maintenance.sweep import sweep
from storage.state.edits import Edit, FlushChange
from tests.support.storage_builders import (
    alter,
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
    partition,
    read,
    values,
)

ONE_HOUR = 3600


def flush_while(engine: Engine, table: TableDef, action: Callable[[], object]) -> None:
    flush_partition(engine, table, partition(engine, table), between(action))


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


def test_a_flush_tells_how_far_it_is(engine: Engine, table: TableDef):
    for size in (8, 4, 2):  # so that they stay chunks of their own
        insert(engine, table, *[(k, "x") for k in range(size)])
    shares: list[float] = []
    flush_partition(engine, table, partition(engine, table), never, shares.append)
    assert shares == [0, 8 / 14, 12 / 14]


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
    sweep(engine)
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
            sweep(engine)

    with ThreadPoolExecutor(5) as pool:
        mover = pool.submit(move)
        live = set().union(*pool.map(write, range(3)))
        stop.set()
        mover.result(30)
    assert values(engine, table) == sorted(live)
    assert partition(engine, table).rows == len(live)


def test_a_flush_that_the_disk_refuses_leaves_rows_hot_and_the_folder_clean(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    folder = engine.files.root / "public"
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
