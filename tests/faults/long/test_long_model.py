"""The state machine of the storage engine, over and over, with longer lives than in `make test`.

A failure prints its steps and a blob for `@reproduce_failure`; FROSTLINE_FAULT_SEED gives the same lives again.
"""

from __future__ import annotations

import pytest
from hypothesis import seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.long.conftest import Shift
from tests.storage.model.machine import EngineAgainstModel
from tests.storage.model_settings import SETTINGS, STEPS

LIVES_OF_A_ROUND = 100
LONGER = settings(SETTINGS, max_examples=LIVES_OF_A_ROUND, stateful_step_count=2 * STEPS, database=None)


@pytest.mark.long
def test_the_engine_holds_what_the_model_holds_for_long(shift: Shift):
    for number in shift.rounds(at_least=1):

        @seed(shift.seed + number)
        class Lives(EngineAgainstModel):
            pass

        run_state_machine_as_test(Lives, settings=LONGER)
