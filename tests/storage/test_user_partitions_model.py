"""Users' partitions against the oracle: see `model.owners`. A failure prints the steps that lead to it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.storage.model.owners import OwnersAgainstModel

SETTINGS = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(600)
def test_everybody_has_their_own_rows_whoever_is_in_memory() -> None:
    run_state_machine_as_test(OwnersAgainstModel, settings=SETTINGS)
