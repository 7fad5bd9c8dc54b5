"""Apache Arrow's Flight SQL client for Go, and Go's database/sql on it, against a server.

The checks are Go tests; their names are the names of the tests here. Without Go, or where its modules can't be
fetched, they are skipped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Mapping

import pytest

from tests.clients.go.go_build import BUILD_SECONDS_MAX, MODULE, build
from tests.support.server_process import ROOT_PASSWORD, ServerProcess

CHECKS_SECONDS_MAX = 90
CHECKS = [
    name
    for source in sorted(MODULE.glob("*_test.go"))
    for name in re.findall(r"^func (Test\w+)\(", source.read_text(encoding="utf-8"), re.MULTILINE)
]

pytestmark = pytest.mark.timeout(BUILD_SECONDS_MAX + CHECKS_SECONDS_MAX + 30)


def sentence(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name.removeprefix("Test")).lower()


@pytest.fixture(scope="module")
def outcomes(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[str, str]]:
    """What became of each check ("pass" or not), and what it said."""
    binary = tmp_path_factory.mktemp("go") / "checks"
    build(binary)
    environment = {"FROSTLINE_ADDRESS": server.uri.removeprefix("grpc://"), "FROSTLINE_PASSWORD": ROOT_PASSWORD}
    done = subprocess.run(
        ["go", "tool", "test2json", str(binary), "-test.v=test2json", f"-test.timeout={CHECKS_SECONDS_MAX}s"],
        cwd=MODULE,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=CHECKS_SECONDS_MAX + 10,
        check=False,
    )
    return read(done.stdout)


def read(lines: str) -> dict[str, tuple[str, str]]:
    said: defaultdict[str, str] = defaultdict(str)
    ended: dict[str, tuple[str, str]] = {}
    for event in map(json.loads, lines.splitlines()):
        name = event.get("Test", "")
        if event["Action"] == "output":
            said[name] += event["Output"]
        elif event["Action"] in ("pass", "fail", "skip"):
            ended[name] = (event["Action"], said[name])
    return ended


@pytest.mark.parametrize("check", CHECKS, ids=sentence)
def test_go(outcomes: Mapping[str, tuple[str, str]], check: str):
    outcome, said = outcomes.get(check, ("missing", ""))
    assert outcome == "pass", said


def test_there_are_checks_of_both_clients():
    assert len(CHECKS) > 9
