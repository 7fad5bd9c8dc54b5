"""A power cut: what was synced is there, what was not may be gone, and every answered change must be in the former.

An engine runs under strace, which writes down every byte that goes to a file and every sync. From that log the test
makes the directory that a power cut at any chosen moment would leave, opens it, and compares it with what had been
answered by then.

What this shows: that the engine asks for the right syncs in the right order, under the most pessimistic reading of
what a file system keeps (and, in random cuts, under many others). What it can't show: that a disk
does what it is asked.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from storage.clock import SystemClock
from storage.maintenance.sweep import sweep
from storage.state.state import live_files
from tests.faults.long.conftest import Shift
from tests.faults.long.disk_log import CALLS, Call, Disk, calls_of, in_order
from tests.faults.long.power_client import SMALL
from tests.faults.tools import needed
from tests.support import storage_builders as furniture
from tests.support.server_process import REPOSITORY
from tests.support.storage_builders import verify_cold_files

CHANGES = 40
RANDOM_CUTS = 40
STRING_BYTES_MAX = 50_000_000
WAL = ".log"
COLD = ".parquet"

pytestmark = pytest.mark.long


class Journal:
    """Follows the client's own lines: what is sure, and what is on its way."""

    def __init__(self) -> None:
        self.sure: frozenset[int] = frozenset()
        self.pending: tuple[str, frozenset[int]] | None = None
        self.has_table = False

    def read(self, line: str) -> bool:
        """Returns whether it is an answer."""
        word, what, *keys = line.split()
        named = frozenset(int(key) for key in keys[0].split(",")) if keys else frozenset()
        if word == "try":
            self.pending = (what, named)
            return False
        self.has_table = True
        self.sure = self.after()
        self.pending = None
        return True

    def after(self) -> frozenset[int]:
        """What the table holds if the pending change was done."""
        if self.pending is None:
            return self.sure
        what, named = self.pending
        return self.sure - named if what == "delete" else self.sure | named


@pytest.fixture(scope="module")
def strace() -> str:
    return needed("strace")


def test_every_answer_comes_after_the_syncs_that_it_promises(strace: str, tmp_path: Path, shift: Shift):
    for round_ in shift.rounds(1):
        calls = traced(tmp_path / str(round_), shift.seed + round_)
        disk, journal, answers, tables_synced = Disk(str(tmp_path / str(round_) / "data")), Journal(), 0, 0
        for call in in_order(calls):
            if told := line_of(call):
                if journal.read(told):
                    answers += 1
                    assert disk.unsynced(WAL) == [], f"answered before the log was on disk: {told}"
            else:
                if call.name in ("fsync", "fdatasync") and call.path.endswith(WAL):
                    tables_synced += 1
                    assert disk.unsynced(COLD) == [], "a log that may name a file was synced before the file was"
                disk.apply(call)
        assert answers == CHANGES + 1
        assert tables_synced > CHANGES / 3


def test_what_a_power_cut_leaves_holds_every_answer(strace: str, tmp_path: Path, shift: Shift):
    for round_ in shift.rounds(1):
        directory, random = tmp_path / str(round_), Random(shift.seed + round_)
        calls = list(in_order(traced(directory, shift.seed + round_)))
        every_answer = [at for at, call in enumerate(calls) if line_of(call).startswith("ok")]
        every_sync = [at for at, call in enumerate(calls) if call.name in ("fsync", "fdatasync")]
        anywhere = random.choices(range(every_answer[0], len(calls)), k=RANDOM_CUTS)
        sure = random.sample(every_answer, 15) + random.sample(every_sync, 25)
        cuts = sorted([(at, None) for at in sure] + [(at, random) for at in anywhere], key=lambda cut: cut[0])
        check_cuts(directory, calls, cuts)
        shutil.rmtree(directory)


def check_cuts(directory: Path, calls: list[Call], cuts: Sequence[tuple[int, Random | None]]) -> None:
    """One pass over the calls; at each cut the directory it would leave is opened and compared."""
    disk, journal, done = Disk(str(directory / "data")), Journal(), 0
    for at, random in cuts:
        for call in calls[done : at + 1]:
            if told := line_of(call):
                journal.read(told)
            else:
                disk.apply(call)
        done = max(done, at + 1)
        left = directory / "left"
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir()
        disk.after_power_cut(left, random)
        how = f"cut after call {at} of {len(calls)}, {'in part' if random else 'sure bytes only'}"
        check(left, journal, how)


def check(left: Path, journal: Journal, how: str) -> None:
    with furniture.opened(left, SystemClock(), SMALL) as engine:
        tables = list(engine.state.catalog.tables.values())
        if not tables:
            assert not journal.has_table, how
            return
        found = frozenset(furniture.values(engine, tables[0]))
        assert found in (journal.sure, journal.after()), (
            f"{how}: lost {sorted(journal.sure - found)[:9]}, unknown {sorted(found - journal.after())[:9]}, "
            f"pending {journal.pending and journal.pending[0]}"
        )
        assert len(found) == len(furniture.values(engine, tables[0])), f"{how}: doubled rows"
        verify_cold_files(engine)
        sweep(engine)
        assert furniture.files_on_disk(engine) == set(live_files(engine.state)), how


def traced(directory: Path, seed: int) -> list[Call]:
    """The calls of a client that ran in `directory`."""
    directory.mkdir()
    log, journal = directory / "calls", directory / "journal"
    watch = ["strace", "-f", "-y", "-xx", "-s", str(STRING_BYTES_MAX), "-o", str(log), "-e", f"trace={CALLS}"]
    client = [sys.executable, "-m", "tests.faults.long.power_client", str(directory / "data"), str(journal)]
    subprocess.run([*watch, *client, str(seed), str(CHANGES)], cwd=REPOSITORY, check=True, timeout=300)
    calls = calls_of(log)
    log.unlink()
    return calls


def line_of(call: Call) -> str:
    """What the client told its journal with this call, if it did."""
    if call.name != "write" or not call.path.endswith("/journal"):
        return ""
    return b"".join(call.texts).decode().strip()
