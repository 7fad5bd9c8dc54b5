"""EIO for the N-th fsync or fdatasync, N = 1, 2, .. until a run meets none: the write fails, nothing is written from
then on, the operator is told, reads go on, and what was acknowledged is there after a restart.

No sync is tried again: Linux tells of a failed one once and may have dropped the pages, so that a second that succeeds
would promise what is not there. FROSTLINE_FAILING_SYNC=n runs that one alone.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.engine_cases import CLEAN, NEVER_OPENED, NOT_CLOSED, REFUSED, Case, EngineCases, Result
from tests.faults.oracle import check

ONLY = int(os.environ.get("FROSTLINE_FAILING_SYNC") or 0)

# How a run with one failing sync may end. The child itself checks what is true after a refusal: see `engine_cases`.
ENDS = (NEVER_OPENED, REFUSED, NOT_CLOSED)


def syncs_to_fail() -> Iterator[int]:
    return iter((ONLY,)) if ONLY else iter(range(1, 10_000))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("calls_can_be_held")
def test_after_a_sync_that_failed_nothing_is_written_reads_go_on_and_a_restart_finds_every_row(
    engine_cases: EngineCases, quick_directory: Path
):
    ends: Counter[int] = Counter()
    for number in syncs_to_fail():
        directory = quick_directory / str(number)
        result = engine_cases.run(Case(str(directory), sync=number))
        ends[result.code] += 1
        check(directory, directory.with_suffix(".journal"))
        shutil.rmtree(directory)
        if number > len(result.calls):
            assert result.code == CLEAN
            break
        assert result.code in ENDS, f"FROSTLINE_FAILING_SYNC={number}: nobody was told of {result.calls[number - 1]}"
        assert_not_tried_again(result, number)
    assert ONLY or (ends[NEVER_OPENED] > 10 and ends[REFUSED] > 50 and ends[NOT_CLOSED] > 5)


def assert_not_tried_again(result: Result, number: int) -> None:
    _, path = result.calls[number - 1]
    again = [call for call in result.calls[number:] if call[1] == path]
    # RocksDB, when it opens or closes, goes on to sync its folder for other files. Nothing was acknowledged on that.
    assert again == [] or (Path(path).name == "rows" and result.code in (NEVER_OPENED, NOT_CLOSED))
