"""Bulk loads: rows straight to Parquet, their primary keys reserved in chunks, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from storage.catalog.schema import TableDef
from storage.clock import ManualClock
from storage.durable_files import checksum_of
from storage.engine import Engine
from storage.errors import Conflict, ConstraintViolated
from storage.maintenance.sweep import sweep
from storage.primary_keys.index import UNDER_WAY
from storage.primary_keys.reservations import KeyReservation
from storage.rowstore.keys import META, PK, MetaKind
from storage.transactions.transaction import Transaction
from tests.support.storage_builders import (
    SPILLING,
    compact,
    delete,
    delete_in,
    files_on_disk,
    flush,
    insert,
    keys,
    load,
    make_table,
    opened,
    partition,
    read,
    rows_batch,
    stage_rows,
    values,
    verify_cold_files,
)

NONE = np.empty(0, np.int64)


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    with opened(tmp_path / "data", clock, SPILLING) as found:
        yield found


@pytest.fixture
def table(engine: Engine) -> TableDef:
    return make_table(engine, key=("k",))


def reservation(table: TableDef, load_id: int, *ks: int, replaced: np.ndarray = NONE, first: int = 0) -> KeyReservation:
    encoded = keys(table, rows_batch(table, [(k, "") for k in ks]))
    return KeyReservation("public.t", table.partition_id, load_id, tuple(zip(encoded, range(first, 1000))), replaced)  # noqa: B905


def find(engine: Engine, table: TableDef, *ks: int) -> list[int | None]:
    return engine.keys.find(table.partition_id, keys(table, rows_batch(table, [(k, "") for k in ks])))


def staged(engine: Engine, table: TableDef, *rows: tuple[int, str]) -> Transaction:
    own = engine.begin()
    stage_rows(engine, own, table, *rows)
    return own


def test_a_stage_keeps_few_rows_in_memory(tmp_path: Path):
    with opened(tmp_path) as engine:
        table = make_table(engine)
        stage = engine.write_stage(table)
        for k in range(3):
            stage.append(rows_batch(table, [(k, "x")]))
        stage.append(rows_batch(table, []))
        assert stage.is_in_memory
        done = stage.finish()
        assert [batch.num_rows for batch in done.batches] == [3]
        assert (done.files, done.load_id, done.rows) == ((), 0, 3)


def test_a_stage_past_its_limit_spills_with_ordinals_in_files_of_the_target_size(engine: Engine, table: TableDef):
    stage = engine.write_stage(table)
    random = np.random.default_rng(1)
    for first in range(0, 60_000, 5_000):
        texts = [random.bytes(20).hex() for _ in range(5_000)]
        stage.append(rows_batch(table, list(zip(range(first, first + 5_000), texts, strict=True))))
    done = stage.finish()
    assert not done.batches
    assert done.rows == stage.rows == 60_000
    assert done.load_id
    assert len(done.files) > 1
    assert [file.seq_min for file in done.files] == [0, *(file.seq_max + 1 for file in done.files[:-1])]
    assert all(engine.files.is_held(file.path) for file in done.files)
    stage.abandon()
    assert files_on_disk(engine) == set()


def test_a_stage_given_up_half_way_leaves_nothing(engine: Engine, table: TableDef):
    stage = engine.write_stage(table)
    stage.append(rows_batch(table, [(k, "x") for k in range(3000)]))
    assert any(path.endswith(".part") for path in files_on_disk(engine))
    stage.abandon()
    stage.abandon()
    assert files_on_disk(engine) == set()
    assert not engine.files.is_held("public/t/x")


def test_a_load_gets_its_seqs_at_commit_and_its_keys_count_from_then_on(engine: Engine, table: TableDef):
    load(engine, table, (1, "a"), (2, "b"))
    own = staged(engine, table, (4, "d"), (3, "c"))
    insert(engine, table, (9, "between"))
    committed = own.commit(durable=True)
    assert committed is not None
    assert find(engine, table, 4, 3) == [committed.seq_first, committed.seq_first + 1]
    assert [row["k"] for row in read(engine, table)] == [1, 2, 9, 4, 3]


def test_several_loads_in_one_transaction_are_one(engine: Engine, table: TableDef):
    own = staged(engine, table, (1, "a"), (2, "b"))
    stage_rows(engine, own, table, (3, "c"))
    delete_in(engine, own, table, "k", 2)
    stage_rows(engine, own, table, (2, "again"), (4, "d"))
    own.commit(durable=True)
    assert [(row["k"], row["v"]) for row in read(engine, table)] == [(1, "a"), (3, "c"), (2, "again"), (4, "d")]
    shown = {row["k"]: row["_seq"] for row in read(engine, table)}
    assert find(engine, table, 1, 2, 3, 4) == [shown[k] for k in (1, 2, 3, 4)]


def test_keys_of_a_load_under_way_are_taken_for_others(engine: Engine, table: TableDef):
    engine.committer.reserve_keys(reservation(table, 77, 1, 2))
    assert find(engine, table, 1, 2, 3) == [UNDER_WAY, UNDER_WAY, None]
    with pytest.raises(Conflict, match="under way"):
        insert(engine, table, (1, "a"))
    with pytest.raises(Conflict, match="under way"):
        engine.committer.reserve_keys(reservation(table, 78, 2))
    engine.keys.abort_load(77)
    insert(engine, table, (1, "a"))
    engine.committer.reserve_keys(reservation(table, 78, 2))


def test_a_key_twice_in_a_load_is_refused_within_and_across_chunks(engine: Engine, table: TableDef):
    for chunks in ([(1, 2, 1)], [(1, 2), (3, 2)]):
        *first, last = chunks
        for ks in first:
            engine.committer.reserve_keys(reservation(table, 77, *ks))
        with pytest.raises(ConstraintViolated, match="twice"):
            engine.committer.reserve_keys(reservation(table, 77, *last))
        engine.keys.abort_load(77)
    with pytest.raises(ConstraintViolated, match="twice"):
        load(engine, table, (5, "a"), (6, "b"), (5, "c"))
    assert values(engine, table) == []
    assert files_on_disk(engine) == set()


def test_a_load_with_a_key_of_a_live_row_is_refused_whole(engine: Engine, table: TableDef):
    insert(engine, table, (2, "old"))
    with pytest.raises(ConstraintViolated, match="already exists"):
        load(engine, table, (1, "a"), (2, "b"), (3, "c"))
    assert [(row["k"], row["v"]) for row in read(engine, table)] == [(2, "old")]
    load(engine, table, (1, "a"), (3, "c"))


def test_a_load_may_bring_the_keys_of_rows_it_replaces(engine: Engine, table: TableDef):
    load(engine, table, (1, "a"), (2, "b"))
    own = engine.begin()
    delete_in(engine, own, table, "k", 1, 2)
    stage_rows(engine, own, table, (2, "new"), (3, "c"))
    own.commit(durable=True)
    assert sorted((row["k"], row["v"]) for row in read(engine, table)) == [(2, "new"), (3, "c")]
    assert find(engine, table, 1) == [None]
    with pytest.raises(ConstraintViolated):
        insert(engine, table, (2, "x"))
    insert(engine, table, (1, "free"))


def test_of_a_load_and_an_insert_of_one_key_the_first_wins(engine: Engine, table: TableDef):
    own = staged(engine, table, (1, "load"), (2, "load"))
    insert(engine, table, (1, "insert"))
    with pytest.raises(ConstraintViolated):
        own.commit(durable=True)
    assert [(row["k"], row["v"]) for row in read(engine, table)] == [(1, "insert")]
    insert(engine, table, (2, "insert"))


def test_loads_that_race_end_with_each_key_once(engine: Engine, table: TableDef):
    def work(worker: int) -> set[int]:
        won: set[int] = set()
        for block in range(12):
            ks = [block * 3 + i for i in range(3)]
            try:
                if worker % 2:
                    load(engine, table, *((k, str(worker)) for k in ks))
                else:
                    insert(engine, table, *((k, str(worker)) for k in ks))
                won |= set(ks)
            except (Conflict, ConstraintViolated):
                pass
        return won

    with ThreadPoolExecutor(4) as pool:
        wins = list(pool.map(work, range(4)))
    assert sum(len(won) for won in wins) == len(set().union(*wins))
    assert values(engine, table) == sorted(set().union(*wins))
    shown = read(engine, table)
    assert find(engine, table, *(row["k"] for row in shown)) == [row["_seq"] for row in shown]
    sweep(engine)
    assert files_on_disk(engine) == {file.path for file in partition(engine, table).cold}


def test_what_a_crash_leaves_of_a_load_means_nothing(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        table = make_table(engine, key=("k",))
        stage = engine.write_stage(table)
        stage.append(rows_batch(table, [(1, "a"), (2, "b")]))
        done = stage.finish()
        engine.committer.reserve_keys(reservation(table, done.load_id, 1, 2))
        # The process ends here: neither commit nor rollback.
    with opened(tmp_path, clock, SPILLING) as engine:
        assert find(engine, table, 1, 2) == [None, None]
        assert values(engine, table) == []
        assert sweep(engine).files == 1
        load(engine, table, (1, "new"), (3, "new"))
        insert(engine, table, (2, "new"))
    with opened(tmp_path, clock, SPILLING) as engine:
        assert values(engine, table) == [1, 2, 3]
        shown = {row["k"]: row["_seq"] for row in read(engine, table)}
        assert find(engine, table, 1, 2, 3) == [shown[k] for k in (1, 2, 3)]


def test_loaded_rows_keep_their_seqs_through_compaction_and_restart(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        table = make_table(engine, key=("k",), deleted_retention_seconds=0)
        for k in (1, 4, 7):
            load(engine, table, (k, "a"), (k + 1, "b"), (k + 2, "c"))
        delete(engine, table, "k", 2, 4)
        before = read(engine, table)
        clock.advance(60)
        figures = compact(engine, table)
        assert figures is not None
        assert (figures.files_before, figures.files_after, figures.purged) == (3, 1, 2)
        assert read(engine, table) == before
    with opened(tmp_path, clock, SPILLING) as engine:
        assert read(engine, table) == before
        assert find(engine, table, *(row["k"] for row in before)) == [row["_seq"] for row in before]
        load(engine, table, (2, "again"), (4, "again"))


def test_a_load_between_hot_rows_keeps_its_deletes_when_the_flushed_file_is_purged(engine: Engine, clock: ManualClock):
    """The flushed file spans the load's `_seq`s; purging it must not forget deletes of the load's rows."""
    table = make_table(engine, deleted_retention_seconds=0)
    insert(engine, table, (1, "hot"))
    load(engine, table, *((k, "load") for k in range(10, 20)))
    insert(engine, table, (2, "hot"), (3, "hot"))
    flush(engine, table)
    delete(engine, table, "k", 2, *range(10, 19))
    clock.advance(60)
    for _ in range(10):
        if compact(engine, table, force=False) is None:
            break
        assert values(engine, table) == [1, 3, 19]
        assert partition(engine, table).rows == 3
    assert compact(engine, table, force=False) is None
    compact(engine, table)
    assert values(engine, table) == [1, 3, 19]
    assert len(partition(engine, table).deletes) == 0


def test_loads_of_a_table_without_key_leave_no_record_behind(engine: Engine):
    table = make_table(engine)
    load(engine, table, (1, "a"))
    assert not [key for key, _ in engine.row_store.scan(META) if key.startswith(MetaKind.LOAD.value)]


def test_published_files_match_the_checksum_in_the_manifest(engine: Engine, table: TableDef):
    load(engine, table, (1, "a"), (2, "b"))
    for file in partition(engine, table).cold:
        assert checksum_of(engine.files.full(file.path)) == file.checksum
    assert verify_cold_files(engine) == 1


def key_entries(engine: Engine) -> int:
    return sum(1 for _ in engine.row_store.scan(PK))


def test_the_sweep_takes_entries_of_a_refused_load_and_no_others(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        table = make_table(engine, key=("k",))
        insert(engine, table, (99_999, "taken"))
        with pytest.raises(ConstraintViolated):
            load(engine, table, *((n, "x") for n in range(90_000, 100_000)))
        assert key_entries(engine) > 4096
        sweep(engine)
        assert key_entries(engine) == 1
        load(engine, table, *((n, "x") for n in range(20)))
        sweep(engine)
        assert key_entries(engine) == 21
        with pytest.raises(ConstraintViolated):
            insert(engine, table, (7, "taken"))


def test_entries_of_a_load_that_a_crash_cut_off_go_after_the_restart(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, key=("k",))
        insert(engine, table, (1, "a"))
        encoded = keys(table, rows_batch(table, [(5, "x"), (6, "y")]))
        entries = tuple((key, ordinal) for ordinal, key in enumerate(encoded))
        engine.committer.reserve_keys(KeyReservation(str(table.name), table.partition_id, 77, entries, NONE))
        assert key_entries(engine) == 3
        sweep(engine)
        assert key_entries(engine) == 3  # it is under way
    with opened(tmp_path, clock) as engine:
        sweep(engine)
        assert key_entries(engine) == 1
        sweep(engine)
        assert not [key for key, _ in engine.row_store.scan(META) if key.startswith(MetaKind.LOADING.value)]
        insert(engine, table, (5, "free"))
