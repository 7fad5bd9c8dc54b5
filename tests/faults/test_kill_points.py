"""kill -9 at every named step of every kind of work; then the oracle.

An engine alone goes through all fail points of storage and of the ledger (`engine_cases`); a real server under SQL
goes through some of each kind (`sql_work`).
"""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from storage.failpoints import POINTS, VARIABLE
from tests.faults.engine_cases import Case, EngineCases
from tests.faults.oracle import check
from tests.faults.sql_work import CONFIG, SqlWork
from tests.support.server_process import ServerProcess

ELSEWHERE = ("call.", "backup.", "restore.")  # tested in `test_forced_errors` and `test_backup_killed`
Passed = dict[str, dict[str, int]]

FILE_STEPS = {point for point in POINTS if point.startswith("file.")}
COMMIT_STEPS = {"commit.before_write", "log.before_sync", "log.after_sync"}
STEPS = {
    "flush": FILE_STEPS | COMMIT_STEPS | {"flush.before_commit", "flush.after_commit"},
    "compact": FILE_STEPS | COMMIT_STEPS | {"compact.after_file", "compact.before_commit", "compact.after_commit"},
    "purge": FILE_STEPS
    | COMMIT_STEPS
    | {"retention.before_commit", "retention.after_commit", "retired.before_remove", "rows.before_squeeze"},
    "load": FILE_STEPS | COMMIT_STEPS | {"load.after_file", "load.after_claim", "transaction.before_commit"},
    "sweep": {"sweep.before_remove", "sweep.after_remove"},
    "cleanup": COMMIT_STEPS | {point for point in POINTS if point.startswith("cleanup.")},
    "ddl": COMMIT_STEPS | {"commit.after_catalog_check"},
}

# A server's life is longer than an engine's, so the count says in which of its works it ends.
IN_A_SERVER = (
    "file.after_link:kill:3",
    "flush.before_commit:kill",
    "compact.before_commit:kill",
    "retired.before_remove:kill:2",
    "cleanup.before_forget:kill:2",
    "load.after_claim:kill:2",
    "commit.after_catalog_check:kill:4",
    "log.before_sync:kill:20",
)


@pytest.fixture(scope="module")
def passed(engine_cases: EngineCases, tmp_path_factory: pytest.TempPathFactory) -> Passed:
    """Kind of step -> how often it reaches each point."""
    result = engine_cases.run(Case(str(tmp_path_factory.mktemp("whole") / "data")))
    assert result.is_clean
    return result.passed


@pytest.mark.parametrize("kind", STEPS)
def test_every_promised_step_is_a_point_on_the_way(kind: str, passed: Passed):
    assert STEPS[kind] <= set(passed[kind])


@pytest.mark.parametrize("point", sorted(point for point in POINTS if not point.startswith(ELSEWHERE)))
def test_killed_at_a_point_it_restarts_with_every_row_once(
    point: str, passed: Passed, engine_cases: EngineCases, quick_directory: Path
):
    times = {kind: counts[point] for kind, counts in passed.items() if point in counts}
    assert times != {}, "nothing reaches it"
    for kind, count in times.items():
        for nth in sorted({1, count}):
            directory = quick_directory / f"{kind}-{nth}"
            assert engine_cases.run(Case(str(directory), point=point, of_kind=kind, nth=nth)).was_killed
            check(directory, directory.with_suffix(".journal"))
            shutil.rmtree(directory)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "frostline.toml"
    path.write_text(CONFIG)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("armed", IN_A_SERVER)
def test_a_server_killed_at_a_point_answers_with_every_row_once_after_a_restart(
    armed: str, quick_directory: Path, config: str
):
    work = SqlWork(quick_directory / "data.journal")
    data = quick_directory / "data"
    with ServerProcess(data, "--config", config, environment={VARIABLE: armed}) as server:
        work.run(server)
        assert server.wait() == -signal.SIGKILL
    with ServerProcess(data, "--config", config) as server:
        work.settle(server)
        assert server.stop() == 0
    check(data, work.journal_path)


@pytest.mark.slow
def test_a_server_killed_while_it_opens_or_closes_starts_with_every_row(quick_directory: Path, config: str):
    work = SqlWork(quick_directory / "data.journal")
    data = quick_directory / "data"
    with ServerProcess(data, "--config", config) as server:
        work.round(server)
        server.kill()
    with ServerProcess(data, "--config", config, environment={VARIABLE: "close.before_rows:kill"}) as server:
        work.settle(server)
        assert server.stop() == -signal.SIGKILL
    for _ in range(2):
        server = ServerProcess(data, "--config", config, environment={VARIABLE: "open.after_recovery:kill"})
        server.start()
        assert server.wait() == -signal.SIGKILL
    with ServerProcess(data, "--config", config) as server:
        work.settle(server)
        work.round(server)
        assert server.stop() == 0
    check(data, work.journal_path)
