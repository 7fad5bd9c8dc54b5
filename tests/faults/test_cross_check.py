"""Random tables, changes and questions on a real server and on DuckDB, while rows are flushed and compacted meanwhile.

One session changes and asks; another one flushes and compacts without pause. Each change must touch as many rows on
both sides, each question must have the same rows for an answer. The seed is printed; FROSTLINE_CROSS_CHECK_SEED runs
it again (the moves come at other moments, the statements are the same).
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.conftest import FIXED_SEED
from tests.faults.cross_checking import TABLES, a_server, cross_check

SEED = int(os.environ.get("FROSTLINE_CROSS_CHECK_SEED") or FIXED_SEED or Random().randrange(10**9))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_random_questions_have_duckdbs_answers_while_rows_move(tmp_path: Path):
    print(f"FROSTLINE_CROSS_CHECK_SEED={SEED}")
    with a_server(tmp_path) as server:
        assert cross_check(server, SEED, TABLES) > TABLES
