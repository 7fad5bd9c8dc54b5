"""kill -9 at a system call that syncs, names or removes something, at the first of each kind (`call_kinds`).

The engine does all of its work, from its first folder to the last sync of its close; and again a restart after a
crash, with its recovery and sweep. Every end is judged by the oracle. `make test-faults` goes through all calls.
FROSTLINE_KILL_CALL=n runs that one alone.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.call_kinds import first_of_each_kind
from tests.faults.engine_cases import Case, EngineCases, Result
from tests.faults.oracle import check

ONLY = int(os.environ.get("FROSTLINE_KILL_CALL") or 0)
NEVER = 10_000  # a number that no call has
WORK_CALLS_MIN = 150  # fewer would mean that the work is not what it was
KINDS_MIN = 60
RESTART_CALLS_MIN = 20


def checked(directory: Path, number: int, result: Result) -> None:
    """The oracle, telling which kill it was."""
    try:
        check(directory, directory.with_suffix(".journal"))
    except BaseException as error:
        name, path, _ = result.calls[-1]
        raise AssertionError(f"FROSTLINE_KILL_CALL={number}, killed before {name} of {path}: {error}") from error


def cut_off(engine_cases: EngineCases, directory: Path, number: int) -> Result:
    """All of the work up to that call."""
    result = engine_cases.run(Case(str(directory), call=number))
    checked(directory, number, result)
    shutil.rmtree(directory)
    assert result.was_killed or result.is_clean
    return result


def all_calls(engine_cases: EngineCases, directory: Path) -> Result:
    """Of the work when nothing cuts it off."""
    result = engine_cases.run(Case(str(directory), call=NEVER))
    assert result.is_clean
    assert len(result.calls) > WORK_CALLS_MIN
    return result


def left_by_a_crash(engine_cases: EngineCases, crashed: Path) -> None:
    """A directory that a restart has something to do in."""
    assert engine_cases.run(Case(str(crashed), point="sweep.before_remove", of_kind="sweep", nth=4)).was_killed
    (crashed / "cold" / "public" / "kv" / "left.parquet.part").write_bytes(b"what a crash leaves of a file")


def restart_cut_off(engine_cases: EngineCases, crashed: Path, directory: Path, number: int) -> Result:
    shutil.copytree(crashed, directory)
    shutil.copy(crashed.with_suffix(".journal"), directory.with_suffix(".journal"))
    result = engine_cases.run(Case(str(directory), call=number, restart=True))
    checked(directory, number, result)
    shutil.rmtree(directory)
    assert result.was_killed or result.is_clean
    return result


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
