"""Any system call of the engine's work cut off or failed, one by one in a random order: see test_kill_calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.engine_cases import EngineCases
from tests.faults.failing_sync import NEVER, sync_failed
from tests.faults.kill_calls import all_calls, cut_off, left_by_a_crash, restart_cut_off
from tests.faults.long.conftest import Shift

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("calls_can_be_held")]


def numbers(shift: Shift, of: int) -> list[int]:
    """All of them, so that none comes twice before each came once."""
    return shift.random.sample(range(1, of + 1), of)


def test_work_cut_off_before_any_call_is_whole_or_undone(
    engine_cases: EngineCases, quick_directory: Path, shift: Shift
):
    order = numbers(shift, len(all_calls(engine_cases, quick_directory / "whole").calls))
    for done in shift.rounds(at_least=5):
        number = order[done % len(order)]
        cut_off(engine_cases, quick_directory / str(number), number)


def test_a_restart_cut_off_before_any_call_is_done_again_by_the_next(
    engine_cases: EngineCases, quick_directory: Path, shift: Shift
):
    crashed = quick_directory / "crashed"
    left_by_a_crash(engine_cases, crashed)
    order = numbers(shift, len(restart_cut_off(engine_cases, crashed, quick_directory / "whole", NEVER).calls))
    for done in shift.rounds(at_least=5):
        number = order[done % len(order)]
        restart_cut_off(engine_cases, crashed, quick_directory / str(number), number)


def test_any_sync_that_fails_ends_all_writes_and_a_restart_finds_every_row(
    engine_cases: EngineCases, quick_directory: Path, shift: Shift
):
    order = numbers(shift, len(sync_failed(engine_cases, quick_directory / "whole", NEVER).calls))
    for done in shift.rounds(at_least=5):
        number = order[done % len(order)]
        sync_failed(engine_cases, quick_directory / str(number), number)
