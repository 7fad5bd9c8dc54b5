"""Random questions have the answers of DuckDB, whether rows are hot, cold or both.

The seed is printed; `python -m tests.second_opinion --seed .. --rounds 1` runs a round again. `make test-faults` goes
on for longer.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.conftest import FIXED_SEED
from tests.second_opinion.running import checked, until

PARTS = 4  # each is shorter than the time after which a test is taken for stuck
MINUTES = 0.2
ROUNDS = 3  # as many questions on any machine; `make test-faults` asks for longer
SEED = FIXED_SEED or Random().randrange(10**9)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_random_questions_have_duckdbs_answers_in_every_state(part: int) -> None:
    checked(SEED + part * 10_000, until(MINUTES, ROUNDS))
