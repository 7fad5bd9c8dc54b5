"""Transactions: own writes, going back to a mark, who wins, and what a rollback leaves behind (nothing)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.catalog.schema import TableDef
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Conflict, ConstraintViolated, InvalidRequest
from storage.maintenance.sweep import sweep
from tests.support.storage_builders import (
    SPILLING,
    alter,
    compact,
    delete,
    delete_in,
    files_on_disk,
    flush,
    insert,
    load,
    make_table,
    opened,
    partition,
    read,
    stage_rows,
    values,
)


@pytest.fixture(params=["hot", "spilled"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    """Once with rows that stay in memory, once with rows that go straight to files."""
    settings = SPILLING if request.param == "spilled" else None
    with opened(tmp_path / "data", clock, settings) as found:
        yield found


@pytest.fixture(params=["keyed", "plain"])
def table(request: pytest.FixtureRequest, engine: Engine) -> TableDef:
    return make_table(engine, key=("k",) if request.param == "keyed" else ())


def test_own_writes_are_seen_before_and_by_others_after_the_commit(engine: Engine, table: TableDef):
    load(engine, table, (1, "a"), (2, "b"))
    own = engine.begin()
    stage_rows(engine, own, table, (3, "c"), (4, "d"))
    delete_in(engine, own, table, "k", 1, 3)
    assert values(engine, table, state=own.state) == [2, 4]
    assert values(engine, table) == [1, 2]
    committed = own.commit(durable=True)
    assert committed is not None
    assert values(engine, table) == [2, 4]
    assert partition(engine, table).rows == 2
    assert engine.snapshots.count() == 0


def test_a_committed_transaction_is_there_after_a_restart(tmp_path: Path, clock: ManualClock):
    for settings in (SPILLING, None):
        directory = tmp_path / ("spilled" if settings else "hot")
        with opened(directory, clock, settings) as engine:
            table = make_table(engine, key=("k",))
            load(engine, table, (1, "a"), (2, "b"))
            own = engine.begin()
            stage_rows(engine, own, table, (3, "c"), (4, "d"))
            delete_in(engine, own, table, "k", 1, 3)
            stage_rows(engine, own, table, (1, "again"))
            own.commit(durable=True)
            before = read(engine, table)
        with opened(directory, clock, settings) as engine:
            assert read(engine, table) == before
            assert [row["v"] for row in before if row["k"] == 1] == ["again"]
            with pytest.raises(ConstraintViolated):
                load(engine, table, (4, "x"))
            load(engine, table, (3, "free again"))


def test_a_row_replaced_many_times_ends_as_one(engine: Engine):
    table = make_table(engine, key=("k",))
    load(engine, table, (1, "a"))
    own = engine.begin()
    for text in "bcd":
        delete_in(engine, own, table, "k", 1)
        stage_rows(engine, own, table, (1, text))
    own.commit(durable=True)
    assert [(row["k"], row["v"]) for row in read(engine, table)] == [(1, "d")]
    with pytest.raises(ConstraintViolated):
        load(engine, table, (1, "e"))


def test_a_transaction_of_several_tables_is_one_commit(engine: Engine):
    a, b = make_table(engine, "a"), make_table(engine, "b", key=("k",))
    own = engine.begin()
    for table in (a, b, a):
        stage_rows(engine, own, table, (1, "x"), (2, "y"))
    committed = own.commit(durable=True)
    assert committed is not None
    seqs = [row["_seq"] for table in (a, b) for row in read(engine, table)]
    assert sorted(seqs) == list(range(committed.seq_first, committed.seq_last + 1))


def test_going_back_to_a_mark_undoes_what_came_after(engine: Engine, table: TableDef):
    load(engine, table, (1, "a"))
    own = engine.begin()
    stage_rows(engine, own, table, (2, "b"))
    mark, files = own.mark(), files_on_disk(engine)
    for _ in range(2):
        stage_rows(engine, own, table, (3, "c"))
        delete_in(engine, own, table, "k", 1, 2)
        assert values(engine, table, state=own.state) == [3]
        own.restore(mark)
        assert values(engine, table, state=own.state) == [1, 2]
        assert files_on_disk(engine) == files
    own.commit(durable=True)
    assert values(engine, table) == [1, 2]


def test_a_mark_undoes_definitions_too(engine: Engine, table: TableDef):
    own = engine.begin()
    mark = own.mark()
    own.change_catalog(lambda c: c.without_table(table.name))
    own.restore(mark)
    assert own.is_empty
    assert own.commit(durable=True) is None
    assert table.name in engine.state.catalog.tables


def test_a_rollback_leaves_no_rows_no_files_and_no_snapshot(engine: Engine, table: TableDef):
    own = engine.begin()
    stage_rows(engine, own, table, (1, "a"))
    own.rollback()
    own.rollback()
    assert values(engine, table) == []
    assert files_on_disk(engine) == set()
    assert engine.snapshots.count() == 0
    load(engine, table, (1, "free"))


def test_of_two_that_delete_a_row_the_first_to_commit_wins(engine: Engine, table: TableDef):
    load(engine, table, (1, "a"), (2, "b"))
    first, second = engine.begin(), engine.begin()
    delete_in(engine, first, table, "k", 1)
    delete_in(engine, second, table, "k", 1, 2)
    stage_rows(engine, second, table, (3, "c"))
    first.commit(durable=True)
    with pytest.raises(Conflict):
        second.commit(durable=True)
    assert values(engine, table) == [2]
    sweep(engine)
    assert files_on_disk(engine) == {file.path for file in partition(engine, table).cold}


def test_a_deleted_and_purged_row_is_still_a_conflict(engine: Engine, clock: ManualClock):
    table = make_table(engine, deleted_retention_seconds=0)
    load(engine, table, (1, "a"))
    flush(engine, table)
    late = engine.begin()
    delete_in(engine, late, table, "k", 1)
    stage_rows(engine, late, table, (1, "late"))
    first = engine.begin()
    delete_in(engine, first, table, "k", 1)
    stage_rows(engine, first, table, (1, "first"))
    first.commit(durable=True)
    clock.advance(100)
    compact(engine, table)
    with pytest.raises(Conflict):
        late.commit(durable=True)
    assert [row["v"] for row in read(engine, table)] == ["first"]
    flush(engine, table)
    compact(engine, table)
    assert partition(engine, table).rows == 1
    assert len(partition(engine, table).deletes) == 0


def test_a_key_committed_since_the_snapshot_is_a_conflict(engine: Engine):
    table = make_table(engine, key=("k",))
    own = engine.begin()
    load(engine, table, (1, "theirs"))

    def mine() -> None:
        stage_rows(engine, own, table, (1, "mine"))
        own.commit(durable=True)

    with pytest.raises((Conflict, ConstraintViolated)):
        mine()
    own.rollback()
    assert [row["v"] for row in read(engine, table)] == ["theirs"]


def test_a_statement_with_a_taken_key_changes_nothing(engine: Engine):
    table = make_table(engine, key=("k",))
    insert(engine, table, (1, "a"))
    own = engine.begin()

    def twice() -> None:
        stage_rows(engine, own, table, (2, "b"), (1, "again"))
        own.commit(durable=True)

    with pytest.raises(ConstraintViolated):
        twice()
    own.rollback()
    assert [(row["k"], row["v"]) for row in read(engine, table)] == [(1, "a")]
    assert not {path for path in files_on_disk(engine) if engine.files.is_held(path)}


def test_a_table_altered_meanwhile_is_a_conflict(engine: Engine, table: TableDef):
    own = engine.begin()
    stage_rows(engine, own, table, (1, "a"))
    alter(engine, table, comment="altered")
    with pytest.raises(Conflict, match="altered"):
        own.commit(durable=True)
    assert files_on_disk(engine) == set()


def test_rows_of_a_table_that_the_same_transaction_drops_leave_no_file(engine: Engine, table: TableDef):
    own = engine.begin()
    stage_rows(engine, own, table, (1, "a"))
    own.change_catalog(lambda c: c.without_table(table.name))
    own.commit(durable=True)
    assert files_on_disk(engine) == set()
    assert table.name not in engine.state.catalog.tables


def test_a_view_of_the_overlay_does_not_touch_what_others_hold(engine: Engine, table: TableDef):
    load(engine, table, (1, "a"), (2, "b"))
    with engine.snapshot() as held:
        delete(engine, table, "k", 1)
        assert values(engine, table, state=held.state) == [1, 2]
    assert values(engine, table) == [2]


def test_an_ended_transaction_is_over_also_after_a_refusal(engine: Engine):
    own = engine.begin()

    def refuse(catalog: object) -> object:
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        own.change_catalog(refuse)  # type: ignore[arg-type]
    assert own.commit(durable=True) is None
    assert own.ended


def test_what_comes_to_nothing_takes_no_place_among_the_commits(tmp_path: Path, clock: ManualClock):
    """In memory it took a `_seq` that was nowhere on disk, so a restart showed an older one."""
    with opened(tmp_path / "data", clock) as engine:
        tables = [make_table(engine, name) for name in ("one", "two")]
        before = engine.state.last_seq
        own = engine.begin()
        for table in tables:
            stage_rows(engine, own, table, (1, "a"))
            delete_in(engine, own, table, "k", 1)
        assert own.commit(durable=True) is None
        assert engine.state.last_seq == before
    with opened(tmp_path / "data", clock) as again:
        assert again.state.last_seq == before
