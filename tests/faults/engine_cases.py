"""Runs `engine_work` in a process of its own again and again, each time ending it somewhere else.

    python -m tests.faults.engine_cases

One process imports everything once and forks a child for each case it reads from its input, so that a case costs a
fork and the work alone. Cases and results are JSON, one a line.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from errno import EIO
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest

from storage import failpoints
from storage.clock import SystemClock
from storage.engine import Engine
from storage.errors import StorageUnavailable
from tests.faults.engine_work import Work
from tests.faults.oracle import SMALL, Journal, check_files, content_of, difference
from tests.faults.system_calls import NAMES, SYNCS, SystemCall, hand_over, supervise
from tests.support import storage_builders as furniture
from tests.support.server_process import REPOSITORY

CASE_SECONDS_MAX: Final = 60.0
CLEAN, REFUSED, NEVER_OPENED, NOT_CLOSED = 0, 10, 11, 12  # exit codes of a child; any other is a failed check


@dataclass(frozen=True, slots=True)
class Case:
    """Where the work is to end; nothing set = nowhere.

    point, of_kind, nth: killed when the fail point is reached for the nth time in steps of a kind ("" = any)
    call:                killed at this system call, from 1, of those that sync, name or remove
    sync:                this sync, from 1, is answered with EIO
    restart:             the directory was worked on before: open, check, clean, sweep and close it instead
    """

    directory: str
    point: str = ""
    of_kind: str = ""
    nth: int = 1
    call: int = 0
    sync: int = 0
    restart: bool = False

    @property
    def journal(self) -> Path:
        return Path(self.directory).with_suffix(".journal")

    @property
    def step(self) -> Path:
        """Says the kind of step that the work is at."""
        return Path(self.directory).with_suffix(".step")


@dataclass(frozen=True, slots=True)
class Result:
    """signal, code: how the child ended; calls: (name, path, kind of step) of the system calls that were watched, in
    order; passed: kind of step -> how often each fail point was reached in it, when no point was asked for; said:
    stderr."""

    signal: int
    code: int
    calls: list[list[str]] = field(default_factory=list)
    passed: dict[str, dict[str, int]] = field(default_factory=dict)
    said: str = ""

    @property
    def was_killed(self) -> bool:
        return self.signal == signal.SIGKILL

    @property
    def is_clean(self) -> bool:
        return (self.signal, self.code) == (0, CLEAN)


class EngineCases:
    """The process that forks, from the test's side."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.engine_cases"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, case: Case) -> Result:
        """Blocks until the child has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(case)) + "\n")
        self._process.stdin.flush()
        result = Result(**json.loads(self._process.stdout.readline()))
        assert result.was_killed or result.code in (CLEAN, REFUSED, NEVER_OPENED, NOT_CLOSED), result.said
        return result

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(CASE_SECONDS_MAX)
        self._process.stdout.close()


# --- the process that forks ------------------------------------------------------------------------------------


def serve() -> None:
    """Run cases until the input ends."""
    pa.array([0])  # the first array looks for pandas, which takes longer than a whole case
    for line in sys.stdin:
        print(json.dumps(asdict(_run(Case(**json.loads(line))))), flush=True)


def _run(case: Case) -> Result:
    notes = case.journal.with_suffix(".notes")
    notes.unlink(missing_ok=True)
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        _be_child(case, theirs, notes)
    theirs.close()
    calls: list[list[str]] = []
    with ours:
        if _is_watched(case):
            _, (listener,), _, _ = socket.recv_fds(ours, 1, 1)
            supervise(child, listener, _decider(case, calls), CASE_SECONDS_MAX)
    _, status = os.waitpid(child, 0)
    said = notes.read_text() if notes.exists() else ""
    is_told = said.startswith("{")
    return Result(
        signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
        calls=calls,
        passed=json.loads(said) if is_told else {},
        said="" if is_told else said,
    )


def _is_watched(case: Case) -> bool:
    return bool(case.call or case.sync)


def _decider(case: Case, calls: list[list[str]]) -> Callable[[SystemCall], int | None]:
    def decide(call: SystemCall) -> int | None:
        calls.append([call.name, call.path, case.step.read_text() if case.step.exists() else "restart"])
        if case.call:
            return None if len(calls) == case.call else 0
        return EIO if len(calls) == case.sync else 0

    return decide


# --- the child -------------------------------------------------------------------------------------------------


def _be_child(case: Case, supervisor: socket.socket, notes: Path) -> None:
    """Never returns: what it was forked from must not go on in it."""
    code = 1
    try:
        if _is_watched(case):
            listener = hand_over(SYNCS if case.sync else SYNCS + NAMES)
            socket.send_fds(supervisor, [b"l"], [listener])
            os.close(listener)
        passed: dict[str, dict[str, int]] = {}
        code = _restart(case) if case.restart else _work(case, passed)
        notes.write_text(json.dumps(passed))
    except BaseException:
        notes.write_text(traceback.format_exc())
    finally:
        os._exit(code)


def _work(case: Case, passed: dict[str, dict[str, int]]) -> int:
    work = Work(Path(case.directory), Journal(case.journal), _arming(case, passed))
    try:
        work.open()
    except StorageUnavailable:
        return NEVER_OPENED
    try:
        work.run()
    except StorageUnavailable:
        _check_after_refusal(work)
        work.close()
        return REFUSED
    try:
        work.close()
    except StorageUnavailable as error:
        _check_told(work, error)
        return NOT_CLOSED
    return CLEAN


def _restart(case: Case) -> int:
    if case.point:
        failpoints.arm(case.point, _kill, case.nth)
    try:
        engine = Engine.open(Path(case.directory), SMALL, SystemClock())
    except StorageUnavailable:
        return NEVER_OPENED
    check_files(engine)
    engine.close()
    return CLEAN


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arming(case: Case, passed: dict[str, dict[str, int]]) -> Callable[[str], None]:
    """Called at the begin of each step."""
    left = case.nth

    def hit() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            _kill()

    def begin(kind: str) -> None:
        case.step.write_text(kind)
        failpoints.disarm()
        if case.point:
            if case.of_kind in ("", kind):
                failpoints.arm(case.point, hit)
            return
        counts = passed.setdefault(kind, {})

        def count(point: str) -> None:
            counts[point] = counts.get(point, 0) + 1

        for point in failpoints.POINTS:
            failpoints.arm(point, partial(count, point))

    return begin


def _check_after_refusal(work: Work) -> None:
    """A disk that refused a sync: nothing is written any more, the operator is told, and reads go on."""
    engine = work.engine
    assert engine.health != "ok"
    _check_read(work)
    for write in (
        lambda: engine.job_records.put_job("FL-9", b"{}"),
        lambda: work._create("more", ()),
        *(lambda n=name: _insert_one(work, n) for name in work.content["tables"]),
        *(lambda n=name: _load_one(work, n) for name in work.content["tables"]),
        *(lambda n=name: _flush(work, n) for name in work.hot_tables()),
    ):
        with pytest.raises(StorageUnavailable, match="restart the server") as refusal:
            write()
        _check_told(work, refusal.value)
    _check_read(work)


def _insert_one(work: Work, name: str) -> None:
    _, _, act = work._inserting(name, range(90_000, 90_001), 1)
    act()


def _load_one(work: Work, name: str) -> None:
    _, _, act = work._loading(name, 91_000)
    act()


def _flush(work: Work, name: str) -> None:
    furniture.flush(work.engine, work._table(name))


def _check_read(work: Work) -> None:
    """What was published, and nothing of the refused write. (The ledger is read from the store at a start alone.)"""
    found = content_of(work.engine)
    assert found["tables"] == work.content["tables"], difference(work.content, found)


def _check_told(work: Work, error: StorageUnavailable) -> None:
    assert str(work.directory) not in error.message


if __name__ == "__main__":
    serve()
