"""Streams for long: lives against the list of the model, a soak of two minutes and more, kills in between."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, Final

import pytest
from adbc_driver_manager import Error
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.long.conftest import Shift
from tests.faults.mixed_load import gone_quietly
from tests.faults.stream_soak import Soak
from tests.storage.stream_model import StreamMachine
from tests.storage.stream_model_settings import SETTINGS
from tests.support.server_process import ServerProcess

SOAK_SECONDS_MIN = 120.0
KEPT: Final = 60
LONGER = settings(SETTINGS, max_examples=100, stateful_step_count=60, database=None)


@pytest.mark.long
def test_streams_show_what_the_model_shows_for_long(shift: Shift):
    for number in shift.rounds(at_least=1):

        @seed(shift.seed + number)
        class Lives(StreamMachine):
            pass

        run_state_machine_as_test(Lives, settings=LONGER)


@pytest.mark.long
def test_streams_count_right_for_minutes(tmp_path: Path, shift: Shift):
    with ServerProcess(tmp_path / "data") as server:
        soak = Soak(server, shift.seed)
        soak.create()
        soak.run(max(SOAK_SECONDS_MIN, shift.seconds_left))
        print(f"{len(soak.values)} events, {soak.reads} rounds of reads, {soak.told} events told")
    assert soak.failures[:5] == []


@pytest.mark.long
def test_streams_are_whole_after_each_of_many_kills(tmp_path: Path, shift: Shift):
    random, sent, acknowledged = shift.random, 0, 0
    for number in shift.rounds(at_least=4):
        with ServerProcess(tmp_path / "data") as server:
            with server.connect() as connection, connection.cursor() as cursor:
                if number > 0:
                    check_kept(cursor, acknowledged, sent)
                create_kept(cursor)
                sent = acknowledged = 0
            killer = Timer(0.3 + random.random(), server.process.kill)
            killer.start()
            with suppress(Error), gone_quietly(server.connect()) as db, gone_quietly(db.cursor()) as cursor:
                while True:
                    rows = range(sent + 1, sent + 1 + random.randint(1, 2 * KEPT))
                    sent = rows[-1]
                    for table in ("newest", "highest"):
                        cursor.execute(f"INSERT INTO {table} VALUES {', '.join(f'({n}, {value(n)})' for n in rows)}")
                    acknowledged = sent
            killer.join()
        print(f"{acknowledged} of {sent} events acknowledged")


def create_kept(cursor: Any) -> None:
    for table, order in {"newest": "ttl", "highest": "priority(value)"}.items():
        options = f"retention = '1d', max_buffer = {KEPT}, eviction = '{order}'"
        cursor.execute(f"CREATE OR REPLACE STREAM TABLE {table} (n BIGINT, value BIGINT) WITH ({options})")


def value(n: int) -> int:
    """Of event n; no two alike."""
    return n * 7_919 % 1_000_003


def check_kept(cursor: Any, acknowledged: int, sent: int) -> None:
    """What was acknowledged is there as far as there is room, and a statement is there whole or not at all."""
    cursor.execute("SELECT n FROM newest ORDER BY _seq")
    newest = cursor.fetch_arrow_table().column(0).to_pylist()
    last = newest[-1] if newest else 0
    assert newest == list(range(max(1, last - KEPT + 1), last + 1))
    assert last in (acknowledged, sent)
    cursor.execute("SELECT n FROM highest")
    highest = sorted(cursor.fetch_arrow_table().column(0).to_pylist())
    ranked = [sorted(sorted(range(1, upto + 1), key=value)[-KEPT:]) for upto in (acknowledged, sent)]
    assert highest in ranked
