"""Engines whose n-th sync fails."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.faults.engine_cases import CLEAN, NEVER_OPENED, NOT_CLOSED, REFUSED, Case, EngineCases, Result
from tests.faults.oracle import check

NEVER = 10_000  # a number that no sync has


# How a run with one failing sync may end. The child itself checks what is true after a refusal: see `engine_cases`.
ENDS = (NEVER_OPENED, REFUSED, NOT_CLOSED)


def sync_failed(engine_cases: EngineCases, directory: Path, number: int) -> Result:
    """All of the work, with EIO for that sync."""
    result = engine_cases.run(Case(str(directory), sync=number))
    check(directory, directory.with_suffix(".journal"))
    shutil.rmtree(directory)
    if number > len(result.calls):
        assert result.code == CLEAN
    else:
        assert result.code in ENDS, f"FROSTLINE_FAILING_SYNC={number}: nobody was told of {result.calls[number - 1]}"
        assert_not_tried_again(result, number)
    return result


def assert_not_tried_again(result: Result, number: int) -> None:
    _, path, _ = result.calls[number - 1]
    again = [call for call in result.calls[number:] if call[1] == path]
    # RocksDB, when it opens, closes or rewrites tables, goes on to sync its folder for other files. Nothing was
    # acknowledged on that: by then every write is refused, which is checked in the child.
    assert again == [] or Path(path).name == "rows"
