"""Random lives of streams against a list that knows nothing of storage. Longer ones are in tests/faults/long."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.storage.stream_model import StreamMachine

SETTINGS = settings(
    max_examples=10, stateful_step_count=25, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
)


def test_streams_show_what_the_model_shows():
    run_state_machine_as_test(StreamMachine, settings=SETTINGS)
