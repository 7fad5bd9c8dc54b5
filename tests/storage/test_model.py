"""The engine against the oracle: any order of changes, moves, crashes and restarts ends in the same rows.

A failure prints the steps, and a blob for `@reproduce_failure` that runs them again. A longer one is in
tests/faults/long.
"""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.storage.model.machine import EngineAgainstModel
from tests.storage.model_settings import SETTINGS


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_engine_holds_what_the_model_holds():
    run_state_machine_as_test(EngineAgainstModel, settings=SETTINGS)
