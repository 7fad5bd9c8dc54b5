"""Keys of a load into an empty table, which nobody looks up: none is missed, none is had twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from storage.catalog.schema import TableDef
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Conflict, ConstraintViolated
from storage.primary_keys import load_keys
from storage.primary_keys.index import UNDER_WAY
from storage.primary_keys.reservations import UnseenReservation
from storage.transactions.row_stage import Staged
from tests.support.storage_builders import (
    SPILLING,
    insert,
    keys,
    load,
    make_table,
    opened,
    read,
    rows_batch,
    stage_rows,
    values,
)


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    with opened(tmp_path / "data", clock, SPILLING) as found:
        yield found


@pytest.fixture
def table(engine: Engine) -> TableDef:
    return make_table(engine, key=("k",))


def unseen(table: TableDef, load_id: int, *ks: int) -> UnseenReservation:
    return UnseenReservation(
        table.partition_id, load_id, keys(table, rows_batch(table, [(k, "") for k in ks])), np.arange(len(ks))
    )


def find(engine: Engine, table: TableDef, *ks: int) -> list[int | None]:
    return engine.keys.find(table.partition_id, keys(table, rows_batch(table, [(k, "") for k in ks])))


def test_unseen_keys_are_taken_for_others_until_the_load_ends(engine: Engine, table: TableDef):
    assert engine.committer.reserve_unseen(unseen(table, 77, 1, 2))
    assert find(engine, table, 1, 2, 3) == [UNDER_WAY, UNDER_WAY, None]
    with pytest.raises(Conflict, match="under way"):
        insert(engine, table, (1, "a"))
    engine.keys.abort_load(77)
    assert find(engine, table, 1) == [None]
    insert(engine, table, (1, "a"))


def test_nothing_is_unseen_beside_rows_or_another_load(engine: Engine, table: TableDef):
    assert engine.committer.reserve_unseen(unseen(table, 77, 1))
    assert not engine.committer.reserve_unseen(unseen(table, 78, 1))
    assert not engine.committer.reserve_unseen(unseen(table, 77, 2)), "the other may have taken it unseen"
    engine.keys.abort_load(77)
    engine.keys.abort_load(78)
    insert(engine, table, (5, "a"))
    assert not engine.committer.reserve_unseen(unseen(table, 79, 6))
    assert find(engine, table, 2, 6) == [None, None]


def test_rows_of_an_unseen_load_are_found_after_it_and_after_a_restart(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path / "other", clock, SPILLING) as engine:
        table = make_table(engine, key=("k",))
        load(engine, table, *((k, "x") for k in (3, 1, 2)))
        shown = {row["k"]: row["_seq"] for row in read(engine, table)}
        assert find(engine, table, 1, 2, 3, 4) == [shown[1], shown[2], shown[3], None]
    with opened(tmp_path / "other", clock, SPILLING) as engine:
        assert find(engine, table, 1, 2, 3, 4) == [shown[1], shown[2], shown[3], None]
        with pytest.raises(ConstraintViolated):
            insert(engine, table, (2, "again"))


def test_a_key_twice_in_one_chunk_or_in_two_refuses_the_load(
    engine: Engine, table: TableDef, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(load_keys, "RESERVED_AT_ONCE", 1000)
    with pytest.raises(ConstraintViolated, match="twice"):
        load(engine, table, (5, "a"), (5, "b"))
    with pytest.raises(ConstraintViolated, match="twice"):
        load(engine, table, *((k % 3000, "x") for k in range(3001)))
    assert values(engine, table) == []
    load(engine, table, (5, "a"))


def test_two_keys_of_one_hash_are_two_keys(engine: Engine, table: TableDef, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load_keys, "hash", lambda key: 7, raising=False)
    load(engine, table, (1, "a"), (2, "b"))
    assert len(values(engine, table)) == 2


def test_a_load_does_not_take_the_key_of_a_row_of_its_own_transaction(engine: Engine, table: TableDef):
    batch = rows_batch(table, [(1, "hot")])
    own = engine.begin()
    own.change(table, staged=Staged(batches=(batch,)), keys=keys(table, batch))
    stage_rows(engine, own, table, (1, "loaded"), (2, "b"))
    with pytest.raises((ConstraintViolated, Conflict)):
        own.commit(durable=True)
    assert values(engine, table) == []
    load(engine, table, (1, "free"))
