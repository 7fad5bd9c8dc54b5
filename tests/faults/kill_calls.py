"""Engines that are cut off at the n-th system call."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.faults.engine_cases import Case, EngineCases, Result
from tests.faults.oracle import check

NEVER = 10_000  # a number that no call has


WORK_CALLS_MIN = 150  # fewer would mean that the work is not what it was


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
