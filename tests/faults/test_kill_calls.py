"""kill -9 at a system call that syncs, names or removes something, at the first of each kind (`call_kinds`).

The engine does all of its work, from its first folder to the last sync of its close; and again a restart after a
crash, with its recovery and sweep. Every end is judged by the oracle. `make test-faults` goes through all calls.
FROSTLINE_KILL_CALL=n runs that one alone.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.call_kinds import first_of_each_kind
from tests.faults.engine_cases import EngineCases
from tests.faults.kill_calls import NEVER, all_calls, cut_off, left_by_a_crash, restart_cut_off

ONLY = int(os.environ.get("FROSTLINE_KILL_CALL") or 0)
KINDS_MIN = 60
RESTART_CALLS_MIN = 20


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("calls_can_be_held")
def test_work_cut_off_before_any_kind_of_call_that_changes_the_disk_is_whole_or_undone(
    engine_cases: EngineCases, quick_directory: Path
):
    whole = quick_directory / "whole"
    calls = all_calls(engine_cases, whole).calls
    numbers = [ONLY] if ONLY else first_of_each_kind(calls, whole)
    killed = [cut_off(engine_cases, quick_directory / str(number), number).was_killed for number in numbers]
    assert ONLY or sum(killed) > KINDS_MIN


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("calls_can_be_held")
def test_a_restart_cut_off_before_any_kind_of_call_is_done_again_by_the_next(
    engine_cases: EngineCases, quick_directory: Path
):
    crashed, whole = quick_directory / "crashed", quick_directory / "whole"
    left_by_a_crash(engine_cases, crashed)
    result = restart_cut_off(engine_cases, crashed, whole, NEVER)
    assert result.is_clean
    assert len(result.calls) > RESTART_CALLS_MIN
    numbers = [ONLY] if ONLY else first_of_each_kind(result.calls, whole)
    for number in numbers:
        assert restart_cut_off(engine_cases, crashed, quick_directory / str(number), number).was_killed
