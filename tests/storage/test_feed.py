"""The change feed: what listeners are told, in which order, and what they are not told."""

from __future__ import annotations

import threading
from pathlib import Path

from storage.catalog.schema import TableDef
from storage.engine import Engine
from storage.maintenance.sweep import sweep
from storage.state.partition_change import PartitionChange
from tests.storage.ear import Ear
from tests.support.storage_builders import (
    SPILLING,
    alter,
    compact,
    delete,
    drop,
    flush,
    insert,
    load,
    make_table,
    opened,
    values,
)


class Deaf(Ear):
    """Fails at whatever it hears."""

    def on_change(self, change: PartitionChange) -> None:
        raise ValueError("not now")


def test_a_hearer_is_told_of_each_insert_with_its_seq(engine: Engine, table: TableDef):
    ear = Ear()
    listening = engine.committer.listen(table.partition_id, ear)
    first = insert(engine, table, (1, "a"), (2, "b"))
    second = insert(engine, table, (3, "c"))
    assert ear.inserted == [1, 2, 3]
    assert [change.rows_seq for change in ear.changes] == [first.seq_first, second.seq_first]
    assert listening.seq < first.seq_first
    assert engine.feed.told_seq == second.seq_last


def test_what_is_in_the_first_snapshot_is_not_told(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    ear = Ear()
    listening = engine.committer.listen(table.partition_id, ear)
    insert(engine, table, (2, "b"))
    assert values(engine, table, state=listening.snapshot.state) == [1]
    assert ear.inserted == [2]


def test_a_delete_names_the_versions_and_the_state_that_they_are_in(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"), (2, "b"))
    ear = Ear()
    engine.committer.listen(table.partition_id, ear)
    delete(engine, table, "k", 2)
    [change] = ear.changes
    assert change.change.deletes is not None
    assert change.change.deletes.tolist() == [int(change.before.hot[0].seqs[1])]
    assert change.before.rows == 2
    assert change.after.rows == 1


def test_only_the_partition_that_is_heard_is_told(engine: Engine, table: TableDef):
    other = make_table(engine, "other")
    ear = Ear()
    engine.committer.listen(table.partition_id, ear)
    insert(engine, other, (1, "a"))
    assert engine.feed.has_listener(table.partition_id)
    assert not engine.feed.has_listener(other.partition_id)
    assert ear.changes == []


def test_moving_rows_is_no_change(engine: Engine, table: TableDef):
    ear = Ear()
    engine.committer.listen(table.partition_id, ear)
    insert(engine, table, (1, "a"))
    flush(engine, table)
    insert(engine, table, (2, "b"))
    flush(engine, table)
    compact(engine, table)
    alter(engine, table, comment="of no interest")
    drop(engine, table)
    assert ear.inserted == [1, 2]


def test_nothing_is_heard_after_the_end_and_one_of_two_ends_is_not_the_end(engine: Engine, table: TableDef):
    ear = Ear()
    first, second = (engine.committer.listen(table.partition_id, ear) for _ in range(2))
    insert(engine, table, (1, "a"))
    engine.feed.end(first)
    insert(engine, table, (2, "b"))
    engine.feed.end(second)
    insert(engine, table, (3, "c"))
    assert ear.inserted == [1, 2]
    assert not engine.feed.has_listener(table.partition_id)


def test_a_hearer_that_fails_stops_neither_the_writer_nor_the_others(engine: Engine, table: TableDef):
    ear = Ear()
    engine.committer.listen(table.partition_id, Deaf())
    engine.committer.listen(table.partition_id, ear)
    insert(engine, table, (1, "a"))
    assert ear.inserted == [1]


def test_all_hearers_learn_that_changes_are_missing(engine: Engine, table: TableDef):
    ear, other = Ear(), Ear()
    engine.committer.listen(table.partition_id, ear)
    engine.committer.listen(make_table(engine, "other").partition_id, other)
    engine.feed.break_off("the disk was full")
    assert ear.lost == other.lost == ["the disk was full"]


def test_files_of_a_change_stay_on_disk_as_long_as_it_is_kept(tmp_path: Path):
    with opened(tmp_path / "data", settings=SPILLING) as engine:
        table = make_table(engine, deleted_retention_seconds=0)
        ear = Ear()
        engine.committer.listen(table.partition_id, ear).snapshot.close()
        load(engine, table, (1, "a"), (2, "b"))
        load(engine, table, (3, "c"))
        delete(engine, table, "k", 1)
        compact(engine, table)
        paths = {file.path for change in ear.changes for file in change.after.cold}
        assert len(paths) == 2
        sweep(engine)
        assert all((engine.files.root / path).exists() for path in paths)
        ear.changes.clear()
        sweep(engine)
        assert not any((engine.files.root / path).exists() for path in paths)


def test_snapshots_and_changes_join_without_a_gap_while_many_write(engine: Engine, table: TableDef):
    writers, each = 4, 40
    ears: list[tuple[Ear, list[int]]] = []

    def write(writer: int) -> None:
        for n in range(each):
            insert(engine, table, (writer * each + n, "x"))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) and len(ears) < 200:
        ear = Ear()
        listening = engine.committer.listen(table.partition_id, ear)
        ears.append((ear, values(engine, table, state=listening.snapshot.state)))
    for thread in threads:
        thread.join()
    assert ears
    for ear, seen in ears:
        assert sorted(seen + ear.inserted) == list(range(writers * each))
