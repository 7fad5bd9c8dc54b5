"""`make demo` as its user sees it."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.demo_data import NAMESPACE
from tests.support.server_process import REPOSITORY, ROOT_PASSWORD, ServerProcess

DEMO_SECONDS_MAX = 100


def demo(*arguments: str, password: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "120"}
    environment.pop("FROSTLINE_ROOT_PASSWORD", None)
    if password is not None:
        environment["FROSTLINE_ROOT_PASSWORD"] = password
    return subprocess.run(
        [sys.executable, "-m", "bench.demo", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS_MAX,
        check=False,
    )


def test_the_demo_starts_a_server_of_its_own_when_there_is_none(tmp_path):
    done = demo("--data", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr
    assert "336776/336776" in done.stdout
    assert "ExpressJet" in done.stdout
    assert (tmp_path / "kept" / "data").is_dir()


def test_the_demo_can_be_run_again_and_leaves_hot_rows_cold_files_and_deletes(server: ServerProcess):
    for _ in range(2):
        done = demo("--uri", server.uri, password=ROOT_PASSWORD)
        assert done.returncode == 0, done.stderr
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SHOW STATS FOR TABLE {NAMESPACE}.flights")
        facts = dict(cursor.fetchall())
    assert facts["hot_rows"] > 0
    assert facts["cold_files"] > 0
    assert facts["deleted_versions"] > 0


def test_the_demo_says_in_one_line_why_it_can_not_use_a_server(server: ServerProcess):
    done = demo("--uri", server.uri, password="wrong")
    assert done.returncode == 1
    assert done.stderr.count("\n") <= 2
    assert "password" in done.stderr
    assert "Traceback" not in done.stderr
