"""Backpressure: writers wait while hot rows fill their limit, and no longer than they may."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Cancelled, FrostlineError, LimitExceeded
from storage.settings import StorageSettings
from tests.support.storage_builders import flush, insert, make_table, never, opened


class SteppingClock(ManualClock):
    """Each look at the monotonic clock takes a second: waits end without real time."""

    def monotonic_seconds(self) -> float:
        self.advance(1)
        return super().monotonic_seconds()


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Engine]:
    """An engine whose hot side is full; writers may wait three looks at the clock."""
    settings = StorageSettings(hot_bytes_max=8, write_wait_seconds_max=3)
    with opened(tmp_path, SteppingClock(), settings) as engine:
        insert(engine, make_table(engine), (1, "a"))
        yield engine


def test_with_room_nobody_waits(engine: Engine):
    engine.wait_for_room(never)


def test_without_room_a_writer_is_refused_after_the_limit(full: Engine):
    with pytest.raises(LimitExceeded, match="hot_bytes_max"):
        full.wait_for_room(never)


def test_a_cancelled_writer_stops_waiting(full: Engine):
    with pytest.raises(Cancelled):
        full.wait_for_room(lambda: True)


def test_a_flush_lets_waiting_writers_go_on(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, StorageSettings(hot_bytes_max=8)) as engine:
        table = make_table(engine)
        insert(engine, table, (1, "a"))
        looked, outcome = threading.Event(), list[FrostlineError | None]()

        def look() -> bool:
            looked.set()
            return False

        def wait() -> None:
            try:
                engine.wait_for_room(look)
                outcome.append(None)
            except FrostlineError as error:
                outcome.append(error)

        writer = threading.Thread(target=wait)
        writer.start()
        assert looked.wait(10)
        began = time.monotonic()
        flush(engine, table)
        writer.join(10)
        assert outcome == [None]
        assert time.monotonic() - began < 5
