"""Random questions have the answers of DuckDB, whether rows are hot, cold or both.

The seed is printed; `python -m tests.second_opinion --seed .. --rounds 1` runs a round again.
"""

from __future__ import annotations

import pytest

from tests.conftest import FIXED_SEED
from tests.second_opinion.grammars import SOUND
from tests.second_opinion.running import checked, until

MINUTES = 2.0
ROUNDS = 30  # with a fixed seed, so that the same questions are asked on any machine


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_random_questions_have_duckdbs_answers_in_every_state() -> None:
    rounds = ROUNDS if FIXED_SEED else None
    checked(FIXED_SEED or None, SOUND, until(MINUTES, rounds))
