"""Sweep: what nothing names goes, and nothing else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from storage.catalog.schema import TableDef
from storage.clock import ManualClock
from storage.engine import Engine
from storage.maintenance.sweep import sweep
from tests.support.storage_builders import (
    SPILLING,
    compact,
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

ONE_HOUR = 3600


def test_the_sweep_removes_orphans_and_parts_and_nothing_else(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    flush(engine, table)
    live = files_on_disk(engine)
    folder = engine.files.full(next(iter(live))).parent
    (folder / "2020-01-01T00-00-00-1.parquet").write_bytes(b"x" * 10)
    (folder / "2020-01-01T00-00-00-2.parquet.part").write_bytes(b"x" * 5)
    swept = sweep(engine)
    assert (swept.files, swept.bytes) == (2, 15)
    assert files_on_disk(engine) == live
    assert sweep(engine).files == 0


def test_files_that_a_snapshot_reads_stay_until_it_is_closed(engine: Engine, table: TableDef):
    for k in range(3):
        insert(engine, table, (k, "x"))
        flush(engine, table)
    with engine.snapshot() as held:
        compact(engine, table)
        drop(engine, table)
        sweep(engine)
        assert values(engine, table, state=held.state) == [0, 1, 2]
    assert sweep(engine).files == 4 - 1
    assert files_on_disk(engine) == set()


def test_a_snapshot_that_was_forgotten_holds_nothing_for_ever(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    flush(engine, table)
    engine.snapshot()
    assert engine.snapshots.count() == 0


def test_sweeps_and_loads_at_once_never_take_a_file_that_is_needed(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        table = make_table(engine)
        stop = threading.Event()

        def sweep_again() -> None:
            while not stop.is_set():
                sweep(engine)

        def work(worker: int) -> None:
            for i in range(25):
                load(engine, table, (worker * 100 + i, "x"))
                if i % 5 == 4:
                    own = engine.begin()
                    own.rollback()

        with ThreadPoolExecutor(4) as pool:
            sweepers = [pool.submit(sweep_again) for _ in range(2)]
            list(pool.map(work, range(2)))
            stop.set()
            for sweeper in sweepers:
                sweeper.result(30)
        assert values(engine, table) == sorted(w * 100 + i for w in range(2) for i in range(25))
        assert verify_cold_files(engine) == 50
