"""EIO for an fsync or fdatasync, for the first of each kind (`call_kinds`): the write fails, nothing is written from
then on, the operator is told, reads go on, and what was acknowledged is there after a restart.

No sync is tried again: Linux tells of a failed one once and may have dropped the pages, so that a second that succeeds
would promise what is not there. FROSTLINE_FAILING_SYNC=n runs that one alone.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_manager import dbapi

from storage.clock import SystemClock
from tests.faults.call_kinds import first_of_each_kind
from tests.faults.engine_cases import NEVER_OPENED, NOT_CLOSED, REFUSED, EngineCases
from tests.faults.failing_sync import NEVER, sync_failed
from tests.faults.file_calls import attached
from tests.faults.oracle import check_files
from tests.faults.sql_work import assert_says_nothing_inner
from tests.support import storage_builders as furniture
from tests.support.server_process import ServerProcess

WAIT_SECONDS_MAX = 30.0
SYNCS_MIN = 120  # fewer would mean that the work is not what it was
ONLY = int(os.environ.get("FROSTLINE_FAILING_SYNC") or 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("calls_can_be_held")
def test_after_a_sync_of_any_kind_that_failed_nothing_is_written_reads_go_on_and_a_restart_finds_every_row(
    engine_cases: EngineCases, quick_directory: Path
):
    whole = quick_directory / "whole"
    calls = sync_failed(engine_cases, whole, NEVER).calls
    assert len(calls) > SYNCS_MIN
    numbers = [ONLY] if ONLY else first_of_each_kind(calls, whole)
    ends = Counter(sync_failed(engine_cases, quick_directory / str(number), number).code for number in numbers)
    assert ONLY or (ends[NEVER_OPENED] > 5 and ends[REFUSED] > 20 and ends[NOT_CLOSED] > 3), ends


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data") as process:
        with process.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)")
            cursor.execute("INSERT INTO t VALUES (1, 10), (2, 20)")
            flush(cursor)
            cursor.execute("INSERT INTO t VALUES (3, 30)")
        yield process


def flush(cursor: Any) -> None:
    cursor.execute("FLUSH TABLE t")
    [(job_id, *_)] = cursor.fetchall()
    cursor.execute(f"WAIT FOR JOB '{job_id}'")
    cursor.fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
def test_a_server_whose_disk_refuses_a_sync_says_so_takes_no_write_and_goes_on_reading(
    call: str, server: ServerProcess, tmp_path: Path
):
    with server.connect() as connection, connection.cursor() as cursor:
        assert server.health("/readyz")[0] == 200
        injected = ("-y", "-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when=1")
        with attached(server.process.pid, tmp_path / "strace.log", *injected) as calls:
            if call == "fdatasync":  # of the log
                assert_refused(cursor, "INSERT INTO t VALUES (4, 40)", server)
            else:  # of a cold file, by a job that may be done before its statement is
                try:
                    cursor.execute("FLUSH TABLE t")
                except dbapi.Error as error:
                    assert "[58030] the disk refused" in str(error)  # noqa: PT017  it need not be raised
                wait_for(lambda: server.health("/healthz")[0] == 503)
            made = made_by(call, calls())
            for write in ("INSERT INTO t VALUES (5, 0)", "INSERT INTO t VALUES (6, 0)", "CREATE TABLE u (a BIGINT)"):
                assert_refused(cursor, write, server)
            assert made_by(call, calls()) == made  # none was tried again
            assert "(INJECTED)" in made[-1]
            cursor.execute("SELECT k, v FROM t ORDER BY k")
            assert cursor.fetchall() == [(1, 10), (2, 20), (3, 30)]
        assert server.health("/readyz")[0] == server.health("/healthz")[0] == 503
    server.stop()
    assert_restarts(server, pending=(4, 40))


def made_by(call: str, lines: list[str]) -> list[str]:
    """Without what strace says of threads that end."""
    return [line for line in lines if f"{call}(" in line]


def assert_refused(cursor: Any, sql: str, server: ServerProcess) -> None:
    with pytest.raises(dbapi.Error, match=re.escape("[58030] the disk refused")) as refusal:
        cursor.execute(sql)
    assert_says_nothing_inner(str(refusal.value), server)


def wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS_MAX
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def assert_restarts(server: ServerProcess, pending: tuple[int, int]) -> None:
    """On an honest disk again, with what was acknowledged; the refused write is there or not."""
    rows = [(1, 10), (2, 20), (3, 30)]
    with ServerProcess(server.data) as again:
        with again.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT k, v FROM t ORDER BY k")
            assert cursor.fetchall() in (rows, [*rows, pending])
            cursor.execute("INSERT INTO t VALUES (100, 1)")
        assert again.health("/readyz")[0] == 200
        assert again.stop() == 0
    with furniture.opened(server.data, SystemClock()) as engine:
        check_files(engine)
