"""A full disk: writes are refused, queries go on, and once there is room all is well again without a restart."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from flight_server.monitoring.log import configure
from storage import failpoints
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import DISK_FULL, ConstraintViolated, StorageUnavailable
from storage.maintenance.sweep import sweep
from tests.faults.full_disk import failing_for_want_of_room, until_healthy
from tests.faults.tools import REQUIRED_VARIABLE, needed
from tests.support.storage_builders import (
    SPILLING,
    files_on_disk,
    flush,
    insert,
    load,
    make_table,
    opened,
    values,
    verify_cold_files,
)

REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


@pytest.mark.parametrize("scene", ["write", "move", "serve"])
def test_on_a_disk_that_fills_up_nothing_is_lost_and_with_room_it_goes_on(scene: str, tmp_path: Path):
    command = [needed("unshare"), "--mount", sys.executable, "-m", "tests.faults.disk_full_scenes"]
    may_mount = subprocess.run([*command[:2], needed("mount"), "-t", "tmpfs", "tmpfs", tmp_path], capture_output=True)
    if may_mount.returncode and os.environ.get(REQUIRED_VARIABLE) != "1":
        pytest.skip("mounting a small disk is not allowed here")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    played = subprocess.run(
        [*command, scene, tmp_path], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert played.returncode == 0, played.stderr[-3000:]


def test_a_commit_of_unknown_outcome_is_what_the_disk_says_once_there_is_room(engine: Engine):
    table = make_table(engine, key=("k",))
    insert(engine, table, (1, "acknowledged"))
    held = engine.snapshot()
    failing_at_commit(engine, "log.before_sync", lambda: insert(engine, table, (2, "unknown")))
    until_healthy(engine)
    assert values(engine, table) == [1, 2]
    assert values(engine, table, state=held.state) == [1]
    insert(engine, table, (3, "later"))
    assert values(engine, table) == [1, 2, 3]
    assert engine.state.last_seq > held.state.last_seq


def test_a_load_of_unknown_outcome_is_there_whole_once_there_is_room(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        table = make_table(engine, key=("k",))
        failing_at_commit(engine, "log.before_sync", lambda: load(engine, table, (1, "a"), (2, "b")))
        until_healthy(engine)
        assert values(engine, table) == [1, 2]
        load(engine, table, (3, "c"))
        sweep(engine)
        assert len(files_on_disk(engine)) == 2
        with pytest.raises(ConstraintViolated):
            load(engine, table, (2, "double"))
    with opened(tmp_path, clock, SPILLING) as engine:
        assert values(engine, table) == [1, 2, 3]


def test_a_flush_of_unknown_outcome_leaves_each_row_once(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine)
        insert(engine, table, (1, "a"), (2, "b"))
        failing_at_commit(engine, "log.before_sync", lambda: flush(engine, table))
        until_healthy(engine)
        assert values(engine, table) == [1, 2]
        sweep(engine)
        flush(engine, table)
        assert values(engine, table) == [1, 2]
        assert len(files_on_disk(engine)) == 1
        verify_cold_files(engine)
    with opened(tmp_path, clock) as engine:
        assert values(engine, table) == [1, 2]


def failing_at_commit(engine: Engine, point: str, act: Callable[[], object]) -> None:
    """Fail at a point of the next durable write that is a commit's: ids are reserved before."""
    engine.new_id()
    failpoints.arm(point, failing_for_want_of_room)
    with pytest.raises(StorageUnavailable) as refused:
        act()
    failpoints.disarm()
    assert refused.value.sqlstate == DISK_FULL


def test_a_disk_that_refused_for_another_reason_is_not_trusted_again_before_a_restart(engine: Engine):
    def broken() -> None:
        raise OSError("IO error: While fdatasync: Input/output error")

    table = make_table(engine)
    failpoints.arm("log.before_sync", broken)
    with pytest.raises(StorageUnavailable):
        insert(engine, table, (1, "unknown"))
    failpoints.arm("log.before_sync", failing_for_want_of_room)
    for k in range(3):
        time.sleep(0.6)  # longer than the engine waits between two looks
        with pytest.raises(StorageUnavailable, match="restart"):
            insert(engine, table, (k, "refused"))
    assert not engine.row_store.is_full


def test_a_log_that_has_no_room_loses_lines_and_nothing_else():
    full = Path("/dev/full").open("w", buffering=1)  # noqa: SIM115  (closing it fails, and shall)
    with pytest.raises(OSError, match="No space"):
        full.write("a line\n")
    configure(full)
    structlog.get_logger().error("something")
    with pytest.raises(OSError, match="No space"):
        full.close()
