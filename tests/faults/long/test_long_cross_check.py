"""Random tables and questions on a server and on DuckDB while rows move, over and over: see test_cross_check."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.cross_checking import TABLES, a_server, cross_check
from tests.faults.long.conftest import Shift


@pytest.mark.long
def test_random_questions_have_duckdbs_answers_for_long(tmp_path: Path, shift: Shift):
    with a_server(tmp_path) as server:
        for number in shift.rounds(at_least=1):
            print(f"FROSTLINE_FAULT_SEED={shift.seed + number}")
            cross_check(server, shift.seed + number, TABLES)
