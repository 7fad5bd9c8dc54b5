"""kill -9 at the N-th system call that syncs, names or removes something, N = 1, 2, .. until a run ends by itself.

The engine does all of its work, from its first folder to the last sync of its close; and again a restart after a
crash, with its recovery and sweep. Every end is judged by the oracle.
FROSTLINE_KILL_CALL=n runs that one alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.engine_cases import Case, EngineCases, Result
from tests.faults.oracle import check

ONLY = int(os.environ.get("FROSTLINE_KILL_CALL") or 0)
WORK_CALLS_MIN = 150  # fewer would mean that the work is not what it was
RESTART_CALLS_MIN = 20


def calls_to_cut() -> Iterator[int]:
    return iter((ONLY,)) if ONLY else iter(range(1, 10_000))


def checked(directory: Path, number: int, result: Result) -> None:
    """The oracle, telling which kill it was."""
    try:
        check(directory, directory.with_suffix(".journal"))
    except BaseException as error:
        name, path = result.calls[-1]
        raise AssertionError(f"FROSTLINE_KILL_CALL={number}, killed before {name} of {path}: {error}") from error


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("calls_can_be_held")
def test_work_cut_off_before_any_call_that_changes_the_disk_is_whole_or_undone(
    engine_cases: EngineCases, quick_directory: Path
):
    for number in calls_to_cut():
        directory = quick_directory / str(number)
        result = engine_cases.run(Case(str(directory), call=number))
        checked(directory, number, result)
        shutil.rmtree(directory)
        if result.is_clean:
            break
        assert result.was_killed
    assert ONLY or number > WORK_CALLS_MIN


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("calls_can_be_held")
def test_a_restart_cut_off_before_any_call_is_done_again_by_the_next(engine_cases: EngineCases, quick_directory: Path):
    crashed = quick_directory / "crashed"
    assert engine_cases.run(Case(str(crashed), point="sweep.before_remove", of_kind="sweep", nth=4)).was_killed
    (crashed / "cold" / "public" / "kv" / "left.parquet.part").write_bytes(b"what a crash leaves of a file")
    for number in calls_to_cut():
        directory = quick_directory / str(number)
        shutil.copytree(crashed, directory)
        shutil.copy(crashed.with_suffix(".journal"), directory.with_suffix(".journal"))
        result = engine_cases.run(Case(str(directory), call=number, restart=True))
        checked(directory, number, result)
        shutil.rmtree(directory)
        if result.is_clean:
            break
        assert result.was_killed
    assert ONLY or number > RESTART_CALLS_MIN, number
