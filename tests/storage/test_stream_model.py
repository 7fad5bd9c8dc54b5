"""Random lives of streams against a list that knows nothing of storage. The long ones are in tests/faults/long."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.storage.stream_model import StreamMachine

TestStreams = StreamMachine.TestCase
TestStreams.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
