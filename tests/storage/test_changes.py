"""The rows of changes: of those that are told now, and of those that somebody missed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from storage.catalog.schema import TableDef
from storage.commit.deltas import NONE, Delta, deltas_of, merged
from storage.commit.replay import check_kept, past_deltas
from storage.engine import Engine
from storage.errors import InvalidRequest
from storage.settings import StorageSettings
from tests.storage.ear import Ear
from tests.support.storage_builders import (
    SPILLING,
    alter,
    compact,
    delete,
    flush,
    insert,
    keys,
    load,
    make_table,
    now,
    opened,
    partition,
    read,
    rows_batch,
)


@pytest.fixture(params=["hot", "files"])
def any_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """With small rows in memory, and with every row straight in a file."""
    settings = SPILLING if request.param == "files" else StorageSettings()
    with opened(tmp_path / "data", settings=settings) as engine:
        yield engine


def put(engine: Engine, table: TableDef, *rows: tuple[Any, ...]) -> None:
    """Upsert, as a statement does."""
    transaction = engine.begin()
    table = now(engine, table)
    batch = rows_batch(table, rows)
    stage = engine.write_stage(table)
    stage.append(batch)
    staged = stage.finish()
    wanted = keys(table, batch)
    found = transaction.find_keys(table, wanted)
    old = [(key, seq) for key, seq in zip(wanted, found, strict=True) if seq is not None]
    transaction.change(
        table,
        staged=staged,
        keys=[] if staged.files else wanted,
        deletes=np.array([seq for _, seq in old], dtype=np.int64),
        deleted_keys=[key for key, _ in old],
    )
    transaction.commit(durable=True)


def told(delta: Delta) -> list[tuple[int, str, Any, Any]]:
    """(`_seq`, what, new k and v or None, old k and v or None), by `_seq`."""
    old, new = (list(zip(*(c.to_pylist() for c in batch.columns), strict=True)) for batch in (delta.old, delta.new))
    paired = set(delta.replaced.tolist())
    found: list[tuple[int, str, Any, Any]] = [
        (int(row[0]), "insert" if at == NONE else "update", row[1:], None if at == NONE else old[at][1:])
        for row, at in zip(new, delta.replaced.tolist(), strict=True)
    ]
    found += [
        (int(commit), "delete", None, row[1:])
        for at, (row, commit) in enumerate(zip(old, delta.commits.tolist(), strict=True))
        if at not in paired
    ]
    return sorted(found, key=lambda one: one[0])


def heard(engine: Engine, ear: Ear, table: TableDef) -> list[tuple[int, str, Any, Any]]:
    return [
        one for change in ear.changes for delta in deltas_of(engine.file_stores, change, table) for one in told(delta)
    ]


def missed(engine: Engine, table: TableDef, seq: int) -> list[tuple[int, str, Any, Any]]:
    table = now(engine, table)
    return [
        one for delta in past_deltas(engine.file_stores, partition(engine, table), table, seq) for one in told(delta)
    ]


def test_an_upsert_says_what_it_replaced(engine: Engine):
    table = make_table(engine, key=["k"])
    put(engine, table, (1, "a"), (2, "b"))
    ear = Ear()
    engine.committer.listen(table.partition_id, ear)
    put(engine, table, (2, "c"), (3, "d"))
    delete(engine, table, "k", 1)
    assert [one[1:] for one in heard(engine, ear, table)] == [
        ("update", (2, "c"), (2, "b")),
        ("insert", (3, "d"), None),
        ("delete", None, (1, "a")),
    ]


def test_a_load_into_files_is_read_from_them_in_order(tmp_path: Path):
    with opened(tmp_path / "data", settings=SPILLING) as engine:
        table = make_table(engine, key=["k"])
        load(engine, table, *((k, "old") for k in range(0, 4000, 2)))
        ear = Ear()
        engine.committer.listen(table.partition_id, ear)
        load(engine, table, *((k, "new") for k in range(3999, 0, -2)))
        rows = heard(engine, ear, table)
        assert [one[1] for one in rows] == ["insert"] * 2000
        assert [one[2][0] for one in rows] == list(range(3999, 0, -2))


def test_what_is_missed_is_what_was_heard_whatever_has_been_moved_since(any_engine: Engine):
    engine, chance = any_engine, random.Random(7)
    table = make_table(engine, key=["k"])
    put(engine, table, *((k, "first") for k in range(20)))
    ear = Ear()
    listening = engine.committer.listen(table.partition_id, ear)
    for n in range(60):
        engine.clock.advance(0.01)  # type: ignore[attr-defined]
        match chance.choice(["put", "put", "delete", "flush", "compact"]):
            case "put":
                put(engine, table, *((k, f"v{n}") for k in chance.sample(range(30), 3)))
            case "delete":
                delete(engine, table, "k", *chance.sample(range(30), 4))
            case "flush":
                flush(engine, table)
            case "compact":
                compact(engine, table)
    whole = heard(engine, ear, table)
    assert missed(engine, table, listening.seq) == whole
    middle = whole[len(whole) // 2][0]
    assert missed(engine, table, middle) == [one for one in whole if one[0] > middle]
    held = dict.fromkeys(range(20), "first")
    for _, what, new, old in whole:
        if what != "insert":
            del held[old[0]]
        if new is not None:
            held[new[0]] = new[1]
    assert held == {row["k"]: row["v"] for row in read(engine, table)}


def test_rows_are_shown_as_the_table_was_when_somebody_began_to_listen(engine: Engine):
    table = make_table(engine)
    ear = Ear()
    engine.committer.listen(table.partition_id, ear)
    [k, v] = table.columns
    later = alter(engine, table, columns=(k,), retired_names=("v",))
    insert(engine, later, (1,))
    assert [one[1:] for one in heard(engine, ear, table)] == [("insert", (1, None), None)]
    assert v.name == "v"


def test_several_changes_together_say_the_same_as_one_after_the_other(engine: Engine):
    table = make_table(engine, key=["k"])
    ear = Ear()
    engine.committer.listen(table.partition_id, ear)
    for n in range(3):
        put(engine, table, (1, f"a{n}"), (n + 2, "b"))
    delete(engine, table, "k", 1, 2)
    whole = merged([delta for change in ear.changes for delta in deltas_of(engine.file_stores, change, table)], table)
    assert told(whole) == heard(engine, ear, table)
    assert whole.rows == 6 + 2 + 2


def test_nothing_comes_of_no_change(engine: Engine, table: TableDef):
    assert merged([], table).rows == 0
    assert list(past_deltas(engine.file_stores, partition(engine, table), table, 0)) == []


def test_what_was_purged_can_not_be_gone_on_from(engine: Engine):
    table = make_table(engine, deleted_retention_seconds=0)
    first = insert(engine, table, (1, "a"), (2, "b"))
    engine.clock.advance(1)  # type: ignore[attr-defined]
    delete(engine, table, "k", 1)
    check_kept(table, partition(engine, table), first.seq_last, engine.clock.wall_ms())
    flush(engine, table)
    engine.clock.advance(1)  # type: ignore[attr-defined]
    compact(engine, table)
    with pytest.raises(InvalidRequest, match="deleted_retention"):
        check_kept(table, partition(engine, table), first.seq_last, engine.clock.wall_ms())
    check_kept(table, partition(engine, table), engine.state.last_seq, engine.clock.wall_ms())


def test_views_of_rows_keep_their_types(engine: Engine):
    table = make_table(engine, columns={"k": pa.int64(), "d": pa.dictionary(pa.int8(), pa.string())}, key=["k"])
    ear = Ear()
    engine.committer.listen(table.partition_id, ear)
    insert(engine, table, (1, "x"))
    insert(engine, table, (2, "y"))
    delete(engine, table, "k", 1)
    assert [one[1] for one in heard(engine, ear, table)] == ["insert", "insert", "delete"]
