"""Users' partitions: when they are in memory and when they are not, nobody can tell but by asking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from storage import failpoints
from storage.catalog.partition_ids import is_owned
from storage.catalog.schema import Column
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Conflict, ConstraintViolated, Corruption, StorageUnavailable
from storage.maintenance.cleanup import clean_dropped
from storage.maintenance.scrub import scrub
from storage.maintenance.sweep import sweep
from storage.rowstore.keys import DELETES, HOT, MANIFEST, META, PK, MetaKind, meta_key
from storage.rowstore.owners import OwnerKey
from storage.rowstore.row_store import RowStore
from storage.settings import StorageSettings
from tests.faults.full_disk import failing_for_want_of_room, until_healthy
from tests.storage.own_rows import own, user_table
from tests.support.storage_builders import (
    alter,
    compact,
    delete,
    delete_in,
    drop,
    files_on_disk,
    flush,
    insert,
    never,
    now,
    opened,
    read,
    stage_rows,
    values,
    verify_cold_files,
)

FEW = StorageSettings(user_partitions_max=3, user_idle_seconds=60.0)


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    """Room for three partitions."""
    with opened(tmp_path / "data", clock, FEW) as engine:
        yield engine


def loaded(engine: Engine) -> set[int]:
    return {id_ for id_ in engine.state.partitions if is_owned(id_)}


def let_all_go(engine: Engine) -> None:
    engine.committer.unload(lambda state: [id_ for id_ in state.partitions if is_owned(id_)])


# --- loading and leaving ---------------------------------------------------------------------------------------------


def test_rows_are_those_of_their_owner(engine: Engine) -> None:
    table = user_table(engine, key=("k",))
    for user in ("ann", "bob"):
        insert(engine, own(engine, table, user), (1, user), (2, user))
    transaction = engine.begin()
    with pytest.raises(ConstraintViolated):
        stage_rows(engine, transaction, own(engine, table, "ann"), (1, "again"))
    transaction.rollback()
    assert {user: values(engine, own(engine, table, user), "v") for user in ("ann", "bob", "cay")} == {
        "ann": ["ann", "ann"],
        "bob": ["bob", "bob"],
        "cay": [],
    }


def test_no_more_are_in_memory_than_may_be_and_all_can_be_read(engine: Engine) -> None:
    table = user_table(engine, key=("k",))
    users = [f"u{n}" for n in range(9)]
    for round_ in range(2):
        for user in users:
            insert(engine, own(engine, table, user), (round_, user))
            assert len(loaded(engine)) <= 3
    for user in users:
        assert values(engine, own(engine, table, user)) == [0, 1]
        assert len(loaded(engine)) <= 3
    assert engine.state.hot_bytes == sum(p.hot_bytes for p in engine.state.partitions.values())


def test_the_least_recently_used_leave_first(engine: Engine, clock: ManualClock) -> None:
    table = user_table(engine)
    tables = {user: own(engine, table, user) for user in ("a", "b", "c", "d")}
    for user in ("a", "b", "c"):
        insert(engine, tables[user], (1, user))
        clock.advance(1)
    own(engine, table, "a")
    clock.advance(1)
    insert(engine, tables["d"], (1, "d"))
    assert loaded(engine) == {tables[user].partition_id for user in ("a", "c", "d")}


def test_who_is_idle_leaves_once_nothing_of_theirs_is_hot(engine: Engine, clock: ManualClock) -> None:
    table = user_table(engine)
    ann, bob = own(engine, table, "ann"), own(engine, table, "bob")
    insert(engine, ann, (1, "ann"))
    insert(engine, bob, (1, "bob"))
    flush(engine, ann)
    clock.advance(59)
    assert engine.users.release_idle() == 0
    clock.advance(2)
    assert engine.users.release_idle() == 1
    assert loaded(engine) == {bob.partition_id}
    flush(engine, bob)
    own(engine, table, "bob")
    assert engine.users.release_idle() == 0
    assert values(engine, ann) == [1]


def test_opening_reads_no_partition_and_never_gives_a_seq_twice(tmp_path: Path, clock: ManualClock) -> None:
    with opened(tmp_path, clock, FEW) as engine:
        table = user_table(engine, key=("k",))
        for user in ("ann", "bob", "cay", "dan"):
            insert(engine, own(engine, table, user), (1, user))
            flush(engine, own(engine, table, user))
        insert(engine, own(engine, table, "ann"), (2, "hot"))
        delete(engine, own(engine, table, "dan"), "k", 1)
        last = engine.state.last_seq
    read_from: list[tuple[str, bytes]] = []
    scan = RowStore.scan

    def watched(self: RowStore, family: str, start: bytes = b"", end: bytes | None = None) -> Any:
        read_from.append((family, start))
        return scan(self, family, start, end)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowStore, "scan", watched)
        engine = Engine.open(tmp_path, FEW, clock)
    with closing(engine):
        assert loaded(engine) == set()
        # One look for each partition with hot rows, none into what they hold.
        assert [family for family, start in read_from if family in (HOT, DELETES, PK, MANIFEST)].count(HOT) <= 4
        assert not {family for family, _ in read_from} & {PK, MANIFEST}
        assert engine.state.last_seq >= last
        committed = insert(engine, own(engine, table, "eve"), (1, "eve"))
        assert committed.seq_first > last
        assert [row["v"] for row in read(engine, own(engine, table, "ann"))] == ["ann", "hot"]
        assert values(engine, own(engine, table, "dan")) == []


def test_hot_rows_of_who_is_not_there_wait_for_their_flush(tmp_path: Path, clock: ManualClock) -> None:
    with opened(tmp_path, clock, FEW) as engine:
        table = user_table(engine)
        before_ms = clock.wall_ms()
        ids = {own(engine, table, user).partition_id for user in ("ann", "bob")}
        for user in ("ann", "bob"):
            insert(engine, own(engine, table, user), (1, user))
        assert engine.user_partitions.waiting() == {}
    with opened(tmp_path, clock, FEW) as engine:
        assert set(engine.user_partitions.waiting()) == ids
        assert all(abs(ms - before_ms) < 1000 for ms in engine.user_partitions.waiting().values())
        assert engine.users.is_hot(table)
        flush(engine, own(engine, table, "ann"))
        assert set(engine.user_partitions.waiting()) == ids - {own(engine, table, "ann").partition_id}
        let_all_go(engine)
        flush(engine, own(engine, table, "bob"))
        let_all_go(engine)
        assert engine.user_partitions.waiting() == {}
        assert not engine.users.is_hot(table)


def test_a_refused_edit_brings_nothing_into_memory_and_forgets_nothing(tmp_path: Path, clock: ManualClock) -> None:
    with opened(tmp_path, clock, FEW) as engine:
        table = user_table(engine, key=("k",))
        insert(engine, own(engine, table, "ann"), (1, "ann"))
        ann = own(engine, table, "ann")
        let_all_go(engine)
        waiting = engine.user_partitions.waiting()
        with pytest.raises(ConstraintViolated):
            insert(engine, ann, (1, "again"))
        engine.committer.unload(lambda _: [])  # goes through the committer, so what it was doing is done
        assert (loaded(engine), engine.user_partitions.waiting()) == (set(), waiting)


def test_a_dropped_table_leaves_nothing_behind_in_memory(engine: Engine) -> None:
    table = user_table(engine)
    for user in ("ann", "bob"):
        insert(engine, own(engine, table, user), (1, user))
        flush(engine, own(engine, table, user))
        insert(engine, own(engine, table, user), (2, user))
    engine.committer.unload(lambda state: list(state.partitions)[:1])
    drop(engine, table)
    [dropped] = engine.dropped()
    while not clean_dropped(engine, dropped.partition_id, count=True).is_done:
        pass
    engine.users.release_idle()
    assert (loaded(engine), engine.user_partitions.waiting(), engine.user_partitions._loaded) == (set(), {}, {})
    sweep(engine)
    assert files_on_disk(engine) == set()
    for family in (HOT, DELETES, PK, MANIFEST):
        assert list(engine.row_store.scan(family)) == []


# --- moments ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_shows_partitions_that_came_into_memory_after_it(engine: Engine) -> None:
    table = user_table(engine)
    ann = own(engine, table, "ann")
    insert(engine, ann, (1, "then"))
    let_all_go(engine)
    with engine.snapshot() as snapshot:
        assert loaded(engine) == set()
        assert values(engine, ann) == [1]
        flush(engine, ann)  # moves rows, changes none
        assert values(engine, ann, state=snapshot.state) == [1]
        insert(engine, ann, (2, "later"))
        delete(engine, ann, "k", 1)
        let_all_go(engine)
        assert values(engine, ann, state=snapshot.state) == [1]  # it was looked at
        assert values(engine, ann) == [2]


@pytest.mark.parametrize("change", ["insert", "delete", "alter", "drop"])
def test_a_snapshot_shows_no_wrong_rows_of_what_changed_meanwhile(engine: Engine, change: str) -> None:
    table = user_table(engine)
    ann = own(engine, table, "ann")
    insert(engine, ann, (1, "then"))
    flush(engine, ann)
    let_all_go(engine)
    with engine.snapshot() as snapshot:
        if change == "insert":
            insert(engine, ann, (2, "later"))
        elif change == "delete":
            delete(engine, ann, "k", 1)
        elif change == "alter":
            added = Column(name="x", physical_name="x", type=pa.int32(), sql_type="INT")
            alter(engine, table, columns=(*table.columns, added))
        else:
            drop(engine, table)
        let_all_go(engine)
        try:
            shown = values(engine, ann, state=snapshot.state)
        except Conflict:
            shown = [1]
        assert shown == [1]


def test_files_that_a_snapshot_fetched_stay_until_it_is_closed(engine: Engine) -> None:
    table = user_table(engine)
    ann = own(engine, table, "ann")
    for k in range(3):
        insert(engine, ann, (k, "ann"))
        flush(engine, ann)
    let_all_go(engine)
    with engine.snapshot() as snapshot:
        assert values(engine, ann, state=snapshot.state) == [0, 1, 2]
        compact(engine, ann)
        let_all_go(engine)
        engine.obsolete_files.remove_unused()
        sweep(engine)
        assert len(files_on_disk(engine)) == 4
        assert values(engine, ann, state=snapshot.state) == [0, 1, 2]
    engine.obsolete_files.remove_unused()
    sweep(engine)
    assert len(files_on_disk(engine)) == 1


def test_a_transaction_that_defined_something_holds_the_files_it_fetches(engine: Engine) -> None:
    table = user_table(engine)
    ann = own(engine, table, "ann")
    for k in range(3):
        insert(engine, ann, (k, "ann"))
        flush(engine, ann)
    let_all_go(engine)
    transaction = engine.begin()
    added = Column(name="x", physical_name="x", type=pa.int32(), sql_type="INT")
    wider = msgspec.structs.replace(table, version=table.version + 1, columns=(*table.columns, added))
    transaction.change_catalog(lambda catalog: catalog.with_table(wider))
    assert [(row["k"], row["x"]) for row in read(engine, ann, transaction.state)] == [(0, None), (1, None), (2, None)]
    compact(engine, ann)
    engine.obsolete_files.remove_unused()
    sweep(engine)
    assert values(engine, ann, state=transaction.state) == [0, 1, 2]
    transaction.rollback()


def test_two_transactions_of_one_owner_conflict_wherever_the_partition_is(engine: Engine) -> None:
    table = user_table(engine, key=("k",))
    ann, bob = own(engine, table, "ann"), own(engine, table, "bob")
    for owner in (ann, bob):
        insert(engine, owner, (1, "then"))
    for gone in (False, True):
        first, second, third = (engine.begin() for _ in range(3))
        assert [delete_in(engine, t, o, "k", 1) for t, o in ((first, ann), (second, ann), (third, bob))] == [1, 1, 1]
        for transaction, owner in ((first, ann), (second, ann), (third, bob)):
            stage_rows(engine, transaction, owner, (1, "now"))
        if gone:
            let_all_go(engine)
        first.commit(durable=True)
        if gone:
            let_all_go(engine)
        third.commit(durable=True)
        with pytest.raises(Conflict):
            second.commit(durable=True)
        assert [row["v"] for owner in (ann, bob) for row in read(engine, owner)] == ["now", "now"]


# --- faults ----------------------------------------------------------------------------------------------------------


def test_the_sweep_keeps_files_of_who_is_not_there(engine: Engine) -> None:
    table = user_table(engine)
    for user in ("ann", "bob"):
        insert(engine, own(engine, table, user), (1, user))
        flush(engine, own(engine, table, user))
    let_all_go(engine)
    assert (sweep(engine).files, verify_cold_files(engine), len(files_on_disk(engine))) == (0, 2, 2)
    assert values(engine, own(engine, table, "bob"), "v") == ["bob"]


def test_a_scrub_finds_damage_in_the_files_of_who_is_not_there(engine: Engine) -> None:
    table = user_table(engine)
    for user in ("ann", "bob"):
        insert(engine, own(engine, table, user), (1, user))
        flush(engine, own(engine, table, user))
    let_all_go(engine)
    [hit] = [path for path in files_on_disk(engine) if "bob" in path]
    damaged = bytearray((engine.files.root / hit).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (engine.files.root / hit).write_bytes(damaged)
    found = scrub(engine, None, never, lambda _: None)
    assert (found.files, [damage.file for damage in found.damaged]) == (2, [Path(hit).name])
    assert values(engine, own(engine, table, "ann")) == [1]
    with pytest.raises(Corruption):
        verify_cold_files(engine)


@pytest.mark.parametrize("fetched", ["before", "never", "after"])
def test_a_full_disk_is_mended_wherever_partitions_were(engine: Engine, fetched: str) -> None:
    table = user_table(engine, key=("k",))
    ann, bob = own(engine, table, "ann"), own(engine, table, "bob")
    insert(engine, ann, (1, "acknowledged"))
    insert(engine, bob, (1, "acknowledged"))
    if fetched != "before":
        let_all_go(engine)
    engine.new_id()
    failpoints.arm("log.before_sync", failing_for_want_of_room)
    with pytest.raises(StorageUnavailable):
        insert(engine, ann, (2, "unknown"))
    if fetched == "after":
        with suppress(Conflict):  # what was being written may be seen, or be in the way
            values(engine, ann)
        assert values(engine, bob) == [1]
    failpoints.disarm()
    until_healthy(engine)
    assert values(engine, ann) in ([1], [1, 2])
    assert values(engine, bob) == [1]
    insert(engine, ann, (3, "later"))
    with suppress(ConstraintViolated):
        insert(engine, ann, (2, "again"))
    assert values(engine, ann) == [1, 2, 3]
    assert {own(engine, table, "ann").partition_id} <= loaded(engine) | set(engine.user_partitions.waiting())


def test_a_new_user_waits_for_room_and_reads_nothing_till_then(engine: Engine) -> None:
    table = user_table(engine)
    insert(engine, own(engine, table, "ann"), (1, "ann"))
    failpoints.arm("log.before_sync", failing_for_want_of_room)
    with pytest.raises(StorageUnavailable):
        insert(engine, own(engine, table, "ann"), (2, "ann"))
    new = now(engine, table).owned_by(engine.users.owner(OwnerKey("new")))
    assert values(engine, new) == []
    failpoints.disarm()
    until_healthy(engine)
    insert(engine, own(engine, table, "new"), (1, "new"))
    assert values(engine, own(engine, table, "new"), "v") == ["new"]


def test_users_of_one_name_one_after_the_other_never_share_rows(engine: Engine) -> None:
    table = user_table(engine)
    first = table.owned_by(engine.users.owner(OwnerKey("eve", 1)))
    insert(engine, first, (1, "first"))
    second = table.owned_by(engine.users.owner(OwnerKey("eve", 2)))
    assert (values(engine, second), values(engine, first)) == ([], [1])
    insert(engine, second, (1, "second"))
    flush(engine, first)
    flush(engine, second)
    assert [values(engine, each, "v") for each in (first, second)] == [["first"], ["second"]]
    assert len(files_on_disk(engine)) == 2


def test_the_newest_seq_is_in_the_metadata_after_each_commit(engine: Engine) -> None:
    table = user_table(engine)
    committed = insert(engine, own(engine, table, "ann"), (1, "x"), (2, "y"))
    stored = engine.row_store.get(META, meta_key(MetaKind.LAST_SEQ, ""))
    assert stored is not None
    assert int(stored) >= committed.seq_last
