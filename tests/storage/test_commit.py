"""The one commit path: groups, order of `_seq`s, refusals that leave no trace, many committers at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from storage.catalog.schema import TableDef
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import AlreadyExists, Conflict, ConstraintViolated, FrostlineError, NotFound, StorageUnavailable
from storage.group_commit.group import Group
from storage.maintenance.sweep import sweep
from storage.seq import SEQ_TIME_SHIFT
from storage.state.edits import Edit, RowChange
from storage.state.state import DatabaseState
from tests.support.storage_builders import (
    alter,
    compact,
    definition,
    delete,
    drop,
    flush,
    insert,
    inserting,
    make_table,
    now,
    opened,
    partition,
    read,
    rows_batch,
    values,
)


def group(engine: Engine) -> Group:
    """A group on the newest state, as the committer would begin it."""
    return Group(engine.state, engine.keys, engine.clock.wall_ms())


def test_rows_get_consecutive_seqs_that_begin_at_the_commit_time(engine: Engine, clock: ManualClock):
    table = make_table(engine)
    clock.advance(5)
    committed = insert(engine, table, (1, "a"), (2, "b"), (3, "c"))
    assert committed.seq_first == clock.wall_ms() << SEQ_TIME_SHIFT
    assert [row["_seq"] for row in read(engine, table)] == [committed.seq_first + i for i in range(3)]
    assert committed.seq_last == committed.seq_first + 2 == engine.state.last_seq


def test_seqs_rise_also_while_the_clock_goes_back(engine: Engine, clock: ManualClock):
    table = make_table(engine)
    seen = [insert(engine, table, (1, "a")).seq_last]
    for wall_ms in (clock.wall_ms() - 3_600_000, 0, clock.wall_ms() + 1):
        clock.set_wall_ms(wall_ms)
        seen += [insert(engine, table, (1, "a"), (2, "b")).seq_first, engine.state.last_seq]
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("last_change", ["insert", "delete", "drop", "purge", "view"])
def test_seqs_rise_over_a_restart_with_the_clock_gone_back(last_change: str, tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table, other = make_table(engine, deleted_retention_seconds=0), make_table(engine, "other")
        insert(engine, table, (1, "a"))
        if last_change in ("delete", "purge"):
            delete(engine, table, "k", 1)
        if last_change == "purge":
            flush(engine, table)
            clock.advance(10)
            compact(engine, table)
        if last_change == "drop":
            insert(engine, table, (2, "b"))
            drop(engine, table)
            sweep(engine)
        if last_change == "view":
            engine.commit(Edit(catalog=lambda c: c.with_table(now(engine, other))))
        before = engine.state.last_seq
    clock.set_wall_ms(1_000_000)
    with opened(tmp_path, clock) as engine:
        assert insert(engine, other, (1, "a")).seq_first > before


def test_a_delete_has_a_time_of_its_own(engine: Engine):
    table = make_table(engine)
    insert(engine, table, (1, "a"))
    delete(engine, table, "k", 1)
    first = partition(engine, table).deletes.all.commits.tolist()
    assert insert(engine, table, (2, "b")).seq_first > first[0]


def refused_edits(engine: Engine, table: TableDef) -> dict[str, tuple[type[FrostlineError], Callable[[], Edit]]]:
    """Name -> an edit whose first part is fine and whose last part is not."""
    other, third = make_table(engine, "other", key=("k",)), make_table(engine, "third")
    insert(engine, other, (1, "taken"))
    fine = inserting(table, (9, "fine")).rows[0]
    twice, taken = inserting(other, (5, "x"), (5, "y")).rows[0], inserting(other, (2, "x"), (1, "y")).rows[0]
    dead = read(engine, table)[0]["_seq"]
    delete(engine, table, "_seq", dead)
    dying = RowChange(table=table, deletes=np.array([dead]))
    stale = inserting(other, (7, "x")).rows[0]
    alter(engine, other, comment="altered")
    taken, twice = (RowChange(table=now(engine, other), inserts=c.inserts, new_keys=c.new_keys) for c in (taken, twice))
    again = definition(engine, "other")
    return {
        "key taken": (ConstraintViolated, lambda: Edit(rows=(fine, taken))),
        "key twice": (ConstraintViolated, lambda: Edit(rows=(fine, twice))),
        "row dead": (Conflict, lambda: Edit(rows=(inserting(third, (9, "fine")).rows[0], dying))),
        "table altered": (Conflict, lambda: Edit(rows=(fine, stale))),
        "name taken": (AlreadyExists, lambda: Edit(catalog=lambda c: c.with_new_table(again), rows=(fine,))),
    }


@pytest.mark.parametrize("what", ["key taken", "key twice", "row dead", "table altered", "name taken"])
def test_a_refused_edit_leaves_no_trace(what: str, engine: Engine):
    table = make_table(engine)
    insert(engine, table, (1, "a"))
    kind, edit = refused_edits(engine, table)[what]
    before = engine.state
    own = group(engine)
    with pytest.raises(kind):
        own.add(edit())
    assert (own.state, own.operations, own.loads, own.durable) == (before, [], {}, False)
    with pytest.raises(kind):
        engine.commit(edit())
    assert engine.state.last_seq == before.last_seq
    assert values(engine, table) == []


def test_in_one_group_the_first_of_two_equal_keys_wins(engine: Engine):
    table = make_table(engine, key=("k",))
    own = group(engine)
    own.add(inserting(table, (1, "first")))
    with pytest.raises(ConstraintViolated, match=r"\(1\).*public\.t"):
        own.add(inserting(table, (1, "second")))
    own.add(inserting(table, (2, "other")))
    assert own.state.partition(table.partition_id).rows == 2


def test_in_one_group_a_key_is_free_once_its_row_is_deleted(engine: Engine):
    table = make_table(engine, key=("k",))
    insert(engine, table, (1, "old"))
    seq, change = read(engine, table)[0]["_seq"], inserting(table, (1, "new")).rows[0]
    own = group(engine)
    own.add(Edit(rows=(RowChange(table=table, deletes=np.array([seq]), deleted_keys=change.new_keys),)))
    own.add(Edit(rows=(change,)))
    with pytest.raises(Conflict):
        own.add(Edit(rows=(RowChange(table=table, deletes=np.array([seq]), deleted_keys=change.new_keys),)))


def test_a_table_dropped_in_the_same_group_takes_no_more_rows(engine: Engine):
    table = make_table(engine)
    own = group(engine)
    own.add(Edit(catalog=lambda c: c.without_table(table.name)))
    with pytest.raises(Conflict, match="dropped"):
        own.add(inserting(table, (1, "a")))


def test_a_group_is_synced_when_any_of_its_edits_must_be(engine: Engine):
    table = make_table(engine)
    relaxed = Edit(rows=(RowChange(table=table, inserts=(rows_batch(table, [(1, "a")]),)),), durable=False)
    own = group(engine)
    own.add(relaxed)
    assert not own.durable
    own.add(inserting(table, (2, "b")))
    own.add(relaxed)
    assert own.durable


def test_concurrent_committers_all_get_in_once_and_in_order(engine: Engine):
    table = make_table(engine, key=("k",))
    seen: list[DatabaseState] = []
    engine.committer.add_listener(seen.append)

    def work(worker: int) -> list[int]:
        return [insert(engine, table, (worker * 1000 + i, "x")).seq_first for i in range(60)]

    with ThreadPoolExecutor(8) as pool:
        seqs = [seq for own in pool.map(work, range(8)) for seq in own]
    assert len(set(seqs)) == 480 == len(values(engine, table))
    assert values(engine, table) == sorted(w * 1000 + i for w in range(8) for i in range(60))
    assert sorted(row["_seq"] for row in read(engine, table)) == sorted(seqs)
    assert [state.last_seq for state in seen] == sorted(state.last_seq for state in seen)


def test_of_many_writers_of_one_key_exactly_one_wins(engine: Engine):
    table = make_table(engine, key=("k",))

    def work(worker: int) -> int:
        won = 0
        for k in range(40):
            try:
                insert(engine, table, (k, str(worker)))
                won += 1
            except ConstraintViolated:
                pass
        return won

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 40
    assert values(engine, table) == list(range(40))


def test_a_listener_that_fails_stops_nobody(engine: Engine):
    def fail(_: DatabaseState) -> None:
        raise RuntimeError("a bug in a listener")

    seen: list[int] = []
    engine.committer.add_listener(fail)
    engine.committer.add_listener(lambda state: seen.append(state.last_seq))
    table = make_table(engine)
    insert(engine, table, (1, "a"))
    assert values(engine, table) == [1]
    assert len(seen) == 2


def test_a_bug_in_one_edit_reaches_its_writer_alone(engine: Engine):
    table = make_table(engine)

    def broken(catalog: object) -> object:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        engine.commit(Edit(catalog=broken))  # type: ignore[arg-type]
    insert(engine, table, (1, "a"))
    assert values(engine, table) == [1]


def test_an_edit_with_two_changes_of_one_table_is_a_bug_and_refused(engine: Engine):
    table = make_table(engine)
    with pytest.raises(AssertionError, match="one change a partition"):
        engine.commit(Edit(rows=inserting(table, (1, "a")).rows * 2))
    assert values(engine, table) == []


def test_after_the_close_commits_are_refused_and_none_waits_for_ever(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine)
        kept: list[int] = []
        refused = threading.Event()

        def work(start: int) -> None:
            for k in range(start, start + 100_000):
                try:
                    insert(engine, table, (k, "x"))
                    kept.append(k)
                except StorageUnavailable:
                    refused.set()
                    return

        threads = [threading.Thread(target=work, args=(w * 1_000_000,)) for w in range(4)]
        for thread in threads:
            thread.start()
        while len(kept) < 50:
            time.sleep(0.001)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert refused.is_set()
    with opened(tmp_path, clock) as engine:
        assert values(engine, table) == sorted(kept)


def test_after_a_refused_write_all_later_ones_are_refused_and_reads_go_on(engine: Engine):
    table = make_table(engine)
    insert(engine, table, (1, "a"))
    engine.row_store.failed = "the disk refused a write"
    assert engine.health != "ok"
    with pytest.raises(StorageUnavailable, match="restart"):
        insert(engine, table, (2, "b"))
    with pytest.raises(StorageUnavailable):
        engine.job_records.put_job("j", b"{}")
    assert values(engine, table) == [1]


def test_ids_are_never_given_out_twice_also_over_restarts(tmp_path: Path):
    seen: list[int] = []
    for _ in range(3):
        with opened(tmp_path) as engine, ThreadPoolExecutor(4) as pool:
            seen += pool.map(lambda _: engine.new_id(), range(700))
    assert len(set(seen)) == len(seen)


def test_moving_rows_of_a_dropped_table_is_refused_and_leaves_no_file(engine: Engine):
    table = make_table(engine)
    insert(engine, table, (1, "a"))
    drop(engine, table)
    with pytest.raises(NotFound, match="dropped"):
        flush(engine, table)
    assert list(engine.files.listed()) == []
