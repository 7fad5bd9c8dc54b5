"""Random questions to rows that are hot, cold and both, and to DuckDB, over and over: see tests/second_opinion."""

from __future__ import annotations

import pytest

from tests.faults.long.conftest import Shift
from tests.second_opinion.running import checked


@pytest.mark.long
def test_random_questions_have_duckdbs_answers_in_every_state_for_long(shift: Shift) -> None:
    checked(shift.seed, lambda done: done == 0 or shift.seconds_left > 0)
