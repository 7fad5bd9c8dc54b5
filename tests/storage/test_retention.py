"""Retention: what is purged is nowhere any more, and what is not is all there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.catalog.schema import SEQ, TableDef, TableKind
from storage.catalog.table_options import KEEP_FOR_EVER
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Cancelled
from storage.maintenance.retention import compact_row_store, expired_partitions, is_due, plan_purge, purge_step
from storage.rowstore.owners import OwnerKey
from storage.seq import SEQ_TIME_SHIFT
from storage.settings import StorageSettings
from storage.state.edits import CompactChange, Edit
from storage.state.state import ColdFile, PartitionState
from storage.state.transitions import with_deletes, with_files, with_rows
from tests.support.storage_builders import (
    SPILLING,
    alter,
    compact,
    delete,
    files_on_disk,
    flush,
    insert,
    load,
    make_table,
    now,
    opened,
    partition,
    purge,
    read_as_of,
    values,
)

DAY = 86_400
BIG = 1 << 40


def file_of(file_id: int, seq_min: int, seq_max: int, size: int = 100) -> ColdFile:
    rows = seq_max - seq_min + 1
    return ColdFile(
        file_id=file_id,
        path=f"f{file_id}",
        rows=rows,
        bytes=size,
        seq_min=seq_min,
        seq_max=seq_max,
        schema_version=1,
        checksum="",
        column_names=(),
    )


def state_of(*files: ColdFile, hot: range = range(0), **deletes: list[int]) -> PartitionState:
    """deletes: c5=[1, 2] = the commit 5 deleted these."""
    state = with_files(PartitionState(1), files)
    if hot:
        state = with_rows(state, pa.record_batch({SEQ: pa.array(list(hot), pa.int64())}))
    for commit, seqs in deletes.items():
        state = with_deletes(state, np.array(seqs, dtype=np.int64), int(commit[1:]))
    return state


def hot_seqs(state: PartitionState) -> list[int]:
    return [seq for chunk in state.hot for seq in chunk.seqs.tolist()]


# the plan


def test_nothing_expired_is_no_plan():
    assert plan_purge(state_of(file_of(1, 1, 9), c50=[3]), before_seq=50, bytes_max=BIG) is None
    assert plan_purge(state_of(file_of(1, 1, 9)), before_seq=50, bytes_max=BIG) is None


def test_hot_rows_are_purged_before_files():
    state = state_of(file_of(1, 1, 9), hot=range(20, 30), c50=[3, 25])
    plan = plan_purge(state, before_seq=51, bytes_max=BIG)
    assert plan is not None
    assert len(plan.hot) == 1
    assert not plan.files


def test_neighbours_with_expired_versions_are_rewritten_together_up_to_the_size():
    files = [file_of(n, 10 * n, 10 * n + 9) for n in range(1, 7)]
    state = state_of(*files, c90=[10, 20, 30, 50])
    for bytes_max, wanted in ((BIG, [1, 2, 3]), (250, [1, 2]), (1, [1])):
        plan = plan_purge(state, before_seq=91, bytes_max=bytes_max)
        assert plan is not None
        assert [file.file_id for file in plan.files] == wanted


def test_a_file_that_only_may_hold_an_expired_version_is_asked_first():
    state = state_of(file_of(1, 10, 30), file_of(2, 20, 40), c90=[25])
    plan = plan_purge(state, before_seq=91, bytes_max=BIG)
    assert plan is not None
    assert not plan.files
    assert [file.file_id for file in plan.doubtful] == [1, 2]


def test_a_purge_is_due_a_tenth_past_the_retention(engine: Engine):
    table = make_table(engine, deleted_retention_seconds=1000)
    deleted_ms = 5_000_000
    commit = deleted_ms << SEQ_TIME_SHIFT
    assert not is_due(table, commit, deleted_ms + 1_000_500)
    assert not is_due(table, commit, deleted_ms + 1_100_000)
    assert is_due(table, commit, deleted_ms + 1_100_001)
    assert not is_due(table, commit, deleted_ms + 1_100_001, purge_limit_seq=commit)
    assert not is_due(table, None, deleted_ms + 1_100_001)
    for seconds, due in ((KEEP_FOR_EVER, False), (0, True)):
        other = make_table(engine, f"t{due}", deleted_retention_seconds=seconds)
        assert is_due(other, commit, deleted_ms + 1) is due


# the work


def test_expired_versions_go_from_hot_and_cold_and_all_others_stay(engine: Engine, clock: ManualClock):
    table = make_table(engine, deleted_retention_seconds=DAY)
    insert(engine, table, *((n, f"cold {n}") for n in range(10)))
    flush(engine, table)
    insert(engine, table, *((n, f"hot {n}") for n in range(10, 20)))
    deleted_ms = clock.wall_ms()
    delete(engine, table, "k", 1, 2, 11, 12)
    clock.advance(DAY / 2)
    delete(engine, table, "k", 3, 13)
    clock.advance(DAY * 0.75)
    steps = purge(engine, table)
    assert [(step.rows, step.files) for step in steps] == [(2, 0), (2, 1)]
    assert {(step.oldest_ms, step.newest_ms) for step in steps} == {(deleted_ms, deleted_ms)}
    left = partition(engine, table)
    assert len(left.deletes) == 2
    assert (left.hot_rows, sum(file.rows for file in left.cold)) == (8, 8)
    assert left.purged_seq >> SEQ_TIME_SHIFT == deleted_ms
    assert values(engine, table) == [0, *range(4, 11), *range(14, 20)]


def test_retention_off_keeps_for_ever_and_zero_keeps_nothing(engine: Engine, clock: ManualClock):
    for_ever = make_table(engine, "a", deleted_retention_seconds=KEEP_FOR_EVER)
    nothing = make_table(engine, "b", deleted_retention_seconds=0)
    for table in (for_ever, nothing):
        insert(engine, table, (1, "x"), (2, "y"))
        delete(engine, table, "k", 1)
    clock.advance(1)
    assert purge(engine, for_ever) == []
    assert [step.rows for step in purge(engine, nothing)] == [1]
    clock.advance(1000 * DAY)
    assert purge(engine, for_ever) == []
    assert partition(engine, for_ever).rows == 1


def test_what_an_open_snapshot_may_meet_stays(engine: Engine, clock: ManualClock):
    table = make_table(engine, deleted_retention_seconds=0)
    insert(engine, table, (1, "x"), (2, "y"))
    with engine.snapshot() as snapshot:
        delete(engine, table, "k", 1)
        clock.advance(1)
        assert purge(engine, table) == []
        assert values(engine, table, state=snapshot.state) == [1, 2]
    assert [step.rows for step in purge(engine, table)] == [1]


def test_replaced_files_go_as_soon_as_nobody_reads_them(engine: Engine, clock: ManualClock):
    table = make_table(engine, deleted_retention_seconds=0)
    insert(engine, table, (1, "x"), (2, "y"))
    flush(engine, table)
    [old] = files_on_disk(engine)
    delete(engine, table, "k", 1)
    clock.advance(1)
    with engine.snapshot() as snapshot:
        purge(engine, table)
        assert old in files_on_disk(engine)
        assert engine.obsolete_files.remove_unused() == 0
        assert values(engine, table, state=snapshot.state) == [2]
    assert engine.obsolete_files.remove_unused() == 1
    assert files_on_disk(engine) == {file.path for file in partition(engine, table).cold}


def test_a_version_is_found_where_files_interleave(tmp_path: Path, clock: ManualClock):
    """Rows stay hot while a load commits behind them; a delete in both files' ranges is in one of them."""
    with opened(tmp_path, clock, StorageSettings(hot_statement_bytes_max=1, row_group_rows=1024)) as engine:
        table = make_table(engine, deleted_retention_seconds=0)
        insert(engine, table, (1, "hot before"))
        load(engine, table, *((n, "loaded") for n in range(10, 20)))
        insert(engine, table, (2, "hot after"))
        flush(engine, table)
        delete(engine, table, "k", 12, 15)
        clock.advance(1)
        assert [(step.rows, step.files) for step in purge(engine, table)] == [(2, 1)]
        assert values(engine, table) == [1, 2, 10, 11, 13, 14, 16, 17, 18, 19]


def test_deletes_of_versions_that_are_nowhere_are_forgotten(engine: Engine, clock: ManualClock):
    table = make_table(engine, deleted_retention_seconds=0)
    insert(engine, table, (1, "x"), (2, "y"), (3, "z"))
    flush(engine, table)
    delete(engine, table, "k", 1)
    [file] = partition(engine, table).cold
    engine.commit(Edit(maintenance=(CompactChange(table.partition_id, (file.file_id,), ()),)))
    clock.advance(1)
    assert [step.rows for step in purge(engine, table)] == [0]
    assert len(partition(engine, table).deletes) == 0


def test_what_was_purged_is_remembered_over_a_restart(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, deleted_retention_seconds=0)
        insert(engine, table, *((n, f"row {n}") for n in range(100)))
        gone = delete(engine, table, "k", *range(0, 100, 3))
        clock.advance(1)
        purge(engine, table)
        insert(engine, table, (100, "later"))
        before = partition(engine, table)
        assert gone
    with opened(tmp_path, clock) as engine:
        after = partition(engine, table)
        assert after.purged_seq == before.purged_seq > 0
        assert hot_seqs(after) == hot_seqs(before)
        assert values(engine, table) == [n for n in range(100) if n % 3] + [100]
        assert insert(engine, table, (101, "x")).seq_first > before.purged_seq


def test_rows_left_by_a_purge_live_on_through_an_altered_table(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, deleted_retention_seconds=0)
        insert(engine, table, (1, "a"), (2, "b"), (3, "c"))
        delete(engine, table, "k", 2)
        clock.advance(1)
        purge(engine, table)
        alter(engine, table, columns=(now(engine, table).columns[1],), retired_names=("k",))
    with opened(tmp_path, clock) as engine:
        assert values(engine, table, "v") == ["a", "c"]
        flush(engine, table)
        assert values(engine, table, "v") == ["a", "c"]
        delete(engine, table, "v", "a")
        clock.advance(1)
        purge(engine, table)
        assert values(engine, table, "v") == ["c"]


def test_the_primary_key_of_a_purged_row_is_free(engine: Engine, clock: ManualClock):
    table = make_table(engine, key=("k",), deleted_retention_seconds=0)
    insert(engine, table, (1, "old"), (2, "x"))
    flush(engine, table)
    delete(engine, table, "k", 1)
    clock.advance(1)
    purge(engine, table)
    insert(engine, table, (1, "new"))
    assert values(engine, table, "v") == ["new", "x"]


def test_each_owner_of_a_user_table_is_purged_in_memory_or_not(tmp_path: Path, clock: ManualClock):
    names = [f"user {n}" for n in range(4)]
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, kind=TableKind.USER, deleted_retention_seconds=0)
        for name in names:
            owned = now(engine, table).owned_by(engine.users.owner(OwnerKey(name)))
            insert(engine, owned, (1, f"{name} SECRET"), (2, name))
            if name == names[0]:
                flush(engine, owned)
            delete(engine, owned, "k", 1)
        clock.advance(1)
    with opened(tmp_path, clock) as engine:
        assert not engine.state.partitions
        expired = list(expired_partitions(engine, now(engine, table)))
        assert len(expired) == len(names)
        for partition_id in expired:
            assert purge(engine, engine.users.owned_table(now(engine, table), partition_id))
        assert list(expired_partitions(engine, now(engine, table))) == []
        compact_row_store(engine, now(engine, table))
        for name in names:
            owned = now(engine, table).owned_by(engine.users.owner(OwnerKey(name)))
            assert values(engine, owned, "v") == [name]
    assert bytes_below(tmp_path, b"SECRET") == []


# nowhere any more


def bytes_below(folder: Path, secret: bytes) -> list[str]:
    """Names of the files with `secret` in them."""
    return [path.name for path in sorted(folder.rglob("*")) if path.is_file() and secret in path.read_bytes()]


def test_no_file_holds_a_purged_row(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, deleted_retention_seconds=0, compression="none")
        insert(engine, table, (1, "cold-SECRET"), (2, "cold-open"))
        flush(engine, table)
        insert(engine, table, (3, "hot-SECRET"), (4, "hot-open"), (5, "hot-SECRET"))
        delete(engine, table, "k", 1, 3, 5)
        clock.advance(1)
        assert len(bytes_below(tmp_path, b"SECRET")) >= 2
        purge(engine, table)
        compact_row_store(engine, table)
        assert bytes_below(tmp_path / "cold", b"SECRET") == []
        rows = [row for path in engine.files.root.rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
        assert [row["v"] for row in rows] == ["cold-open"]
    assert bytes_below(tmp_path, b"SECRET") == []
    assert bytes_below(tmp_path, b"hot-open")


def test_row_groups_of_replaced_files_are_not_kept(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        table = make_table(engine, key=("k",), deleted_retention_seconds=0)
        load(engine, table, *((n, f"row {n}") for n in range(50)))
        for _ in range(3):
            engine.rows.row(engine.state, now(engine, table), 7)
        assert engine.rows.kept_bytes > 0
        delete(engine, table, "k", 8)
        clock.advance(1)
        purge(engine, table)
        assert engine.rows.kept_bytes == 0


def test_against_an_oracle_of_random_changes(tmp_path: Path, clock: ManualClock):
    """Whatever happens in whatever order: live rows are right, and nothing expired is left after a purge."""
    random = Random(20260131)
    live: set[int] = set()
    pasts: dict[int, list[int]] = {}
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, deleted_retention_seconds=100)
        actions: list[tuple[int, Callable[[], Any]]] = [
            (4, lambda: live.update(_add(engine, table, random))),
            (4, lambda: live.difference_update(_drop_some(engine, table, random, live))),
            (2, lambda: flush(engine, table)),
            (1, lambda: compact(engine, table, force=random.random() < 0.5)),
            (3, lambda: purge(engine, table)),
            (3, lambda: clock.advance(random.randint(1, 60))),
        ]
        for _ in range(80):
            [action] = random.choices([act for _, act in actions], [weight for weight, _ in actions])
            action()
            assert values(engine, table) == sorted(live)
            pasts[engine.state.last_seq] = sorted(live)
            left = partition(engine, table)
            for seq, then in pasts.items():
                if seq >= left.purged_seq:
                    assert read_as_of(engine, table, seq) == then
        clock.advance(1000)
        purge(engine, table)
        left = partition(engine, table)
        assert len(left.deletes) == 0
        assert left.hot_rows + sum(file.rows for file in left.cold) == len(live)


_NEXT = iter(range(1_000_000))


def _add(engine: Engine, table: TableDef, random: Random) -> list[int]:
    new = [next(_NEXT) for _ in range(random.randint(1, 20))]
    insert(engine, table, *((n, f"row {n}") for n in new))
    return new


def _drop_some(engine: Engine, table: TableDef, random: Random, live: set[int]) -> list[int]:
    if not live:
        return []
    gone = random.sample(sorted(live), min(len(live), random.randint(1, 8)))
    delete(engine, table, "k", *gone)
    return gone


def test_a_cancelled_purge_leaves_everything_as_it_was(engine: Engine, clock: ManualClock):
    table = make_table(engine, deleted_retention_seconds=0)
    insert(engine, table, (1, "x"), (2, "y"))
    flush(engine, table)
    delete(engine, table, "k", 1)
    clock.advance(1)
    before = partition(engine, table)
    with pytest.raises(Cancelled):
        purge_step(engine, table, table.partition_id, lambda: True)
    assert partition(engine, table) is before
    assert len(files_on_disk(engine)) == 1
