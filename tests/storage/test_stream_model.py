"""Random lives of streams against a list that knows nothing of storage. Longer ones are in tests/faults/long."""

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from tests.storage.stream_model import StreamMachine
from tests.storage.stream_model_settings import SETTINGS


def test_streams_show_what_the_model_shows():
    run_state_machine_as_test(StreamMachine, settings=SETTINGS)
