"""Streams in storage: an eviction is a mark and a range removal; the disk shows what memory showed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.catalog.schema import TableKind
from storage.catalog.table_options import Eviction
from storage.clock import ManualClock
from storage.errors import LimitExceeded
from storage.maintenance.eviction import plan_eviction
from storage.rowstore.keys import DELETES, HOT, partition_range
from storage.settings import StorageSettings
from storage.state.edits import Edit, EvictChange
from tests.storage.stream_furniture import NAME, Stream
from tests.support.storage_builders import clean


@pytest.fixture
def streams(tmp_path: Path, clock: ManualClock) -> Iterator[list[Stream]]:
    """Those in it are closed afterwards."""
    opened: list[Stream] = []
    yield opened
    for stream in opened:
        stream.engine.close()


def made(streams: list[Stream], tmp_path: Path, clock: ManualClock, **options: Any) -> Stream:
    streams.append(Stream(tmp_path / "data", clock, **options))
    return streams[-1]


def test_events_that_left_stay_away_after_a_restart_even_those_that_share_a_stored_batch(streams, tmp_path, clock):
    stream = made(streams, tmp_path, clock)
    stream.put(1, 2, 3)
    stream.put(4, 5)
    stream.put(6)
    assert stream.numbers() == [2, 3, 4, 5, 6]
    stream.reopen()
    assert stream.numbers() == [2, 3, 4, 5, 6]
    assert stream.partition.buffer.cut_rows == 1
    stream.put(7, 8, 9)
    stream.reopen()
    assert stream.numbers() == [5, 6, 7, 8, 9]


def test_an_insert_of_more_than_the_buffer_stores_only_what_stays(streams, tmp_path, clock):
    stream = made(streams, tmp_path, clock)
    stream.put(1, 2)
    stream.put(*range(100, 1100))
    assert stream.numbers() == [1095, 1096, 1097, 1098, 1099]
    assert (stream.partition.buffer.arrived, stream.partition.buffer.evicted) == (1002, 997)
    assert stream.stored() <= 2
    stream.reopen()
    assert stream.numbers() == [1095, 1096, 1097, 1098, 1099]


def test_an_eviction_removes_whole_batches_by_one_range(streams, tmp_path, clock):
    stream = made(streams, tmp_path, clock, max_buffer=100_000)
    for first in range(0, 200_000, 40_000):
        stream.put(*range(first, first + 40_000))
    assert stream.stored() == 3
    clock.advance(11)
    plan = plan_eviction(stream.table, stream.partition, clock.wall_ms(), rows_max=30_000)
    assert (plan.rows, plan.is_last) == (30_000, False)
    stream.engine.commit(Edit(maintenance=(EvictChange(stream.table.partition_id, plan.seq_below),)))
    assert len(stream.numbers(hidden=True)) == 70_000
    plan = plan_eviction(stream.table, stream.partition, clock.wall_ms(), rows_max=1_000_000)
    assert (plan.rows, plan.is_last) == (70_000, True)
    assert stream.engine.commit(Edit(maintenance=(EvictChange(stream.table.partition_id, plan.seq_below),))).evicted
    assert stream.stored() == 0
    assert plan_eviction(stream.table, stream.partition, clock.wall_ms(), rows_max=1_000_000) is None


def test_the_disk_of_a_small_busy_stream_does_not_grow(streams, tmp_path, clock):
    stream = made(streams, tmp_path, clock)
    for n in range(0, 60_000, 100):
        stream.put(*range(n, n + 3))
    assert stream.numbers() == [59801, 59802, 59900, 59901, 59902]
    assert stream.stored() < 1500
    stream.put(*range(70_000, 70_004))
    stream.reopen()
    assert stream.numbers() == [59902, 70000, 70001, 70002, 70003]


def test_eviction_by_priority_agrees_with_sorting_and_survives_restarts(streams, tmp_path, clock):
    stream = made(streams, tmp_path, clock, max_buffer=300, eviction=Eviction("priority", "p"))
    random = np.random.default_rng(3)
    expected: list[tuple[float, int]] = []
    for n in range(0, 12_000, 40):
        values = random.integers(0, 50, 40).astype(float).tolist()
        stream.put(*range(n, n + 40), priorities=values)
        expected = sorted([*expected, *zip(values, range(n, n + 40), strict=True)])[-300:]
        if n % 3000 == 0:
            assert stream.numbers() == sorted(n for _, n in expected)
            stream.reopen()
            assert stream.numbers() == sorted(n for _, n in expected)
    assert stream.numbers() == sorted(n for _, n in expected)
    assert stream.stored(DELETES) < 300, "what is dead is stored anew without it, now and then"
    assert stream.partition.hot_rows < 6000


def test_new_events_get_seqs_above_those_that_left(streams, tmp_path, clock):
    stream = made(streams, tmp_path, clock)
    clock.set_wall_ms(clock.wall_ms() - 3_600_000)
    stream.put(1)
    [seq] = stream.partition.hot[0].seqs.tolist()
    assert stream.engine.commit(Edit(maintenance=(EvictChange(stream.table.partition_id, seq + 1),))).evicted == 1
    stream.reopen()
    stream.put(2)
    assert stream.partition.hot[0].seqs[0] > seq
    assert stream.numbers() == [2]


def test_streams_have_a_limit_of_their_own_and_take_no_room_from_others(streams, tmp_path, clock):
    little = StorageSettings(hot_bytes_max=20_000, stream_bytes_max=10_000, write_wait_seconds_max=0)
    stream = made(streams, tmp_path, clock, settings=little, max_buffer=1000)
    stream.put(*range(1000))
    with pytest.raises(LimitExceeded, match="stream_bytes_max"):
        stream.engine.wait_for_room(lambda: False, TableKind.STREAM)
    stream.engine.wait_for_room(lambda: False, TableKind.SHARED)


def test_a_dropped_stream_leaves_nothing_in_the_row_store(streams, tmp_path, clock):
    stream = made(streams, tmp_path, clock)
    stream.put(*range(50))
    start, end = partition_range(stream.table.partition_id)
    stream.engine.commit(Edit(catalog=lambda catalog: catalog.without_table(NAME)))
    clean(stream.engine)
    assert list(stream.engine.row_store.scan(HOT, start, end)) == []
    stream.reopen()
    assert not stream.engine.state.partitions
