"""Streams for long: lives against the list of the model, and three streams under load for two minutes and more."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.long.conftest import Shift
from tests.faults.stream_soak import Soak
from tests.server_process import ServerProcess
from tests.storage.stream_model import StreamMachine
from tests.storage.test_stream_model import SETTINGS

SOAK_SECONDS_MIN = 120.0
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
