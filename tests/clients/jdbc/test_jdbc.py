"""The Flight SQL JDBC driver: its newest release and the one before, each against a server of its own.

The checks are Java, built by Maven: one Java machine for each driver and time zone runs them and prints a line of
JSON for each. Their names are the names of the tests. Without Java 17 and Maven they are skipped; with
FROSTLINE_REQUIRE_JDBC=1 they fail instead.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.clients.jdbc.jdbc_build import BUILD_SECONDS_MAX, DRIVERS, PROJECT, build
from tests.support.server_process import REPOSITORY, ROOT_PASSWORD, ServerProcess

SOURCES = PROJECT / "src" / "main" / "java" / "checks"
UTC, ELSEWHERE = "UTC", "Asia/Kolkata"
CHECKS_SECONDS_MAX = 300

pytestmark = pytest.mark.timeout(BUILD_SECONDS_MAX + 2 * CHECKS_SECONDS_MAX + 30)


def checks(*, elsewhere: bool) -> list[str]:
    """The names of the checks, as the sources have them."""
    names = []
    for source in sorted(SOURCES.glob("*.java")):
        if (source.stem == "TimesElsewhere") == elsewhere:
            names += re.findall(r"@Check\s+void (\w+)\(", source.read_text(encoding="utf-8"))
    return names


def sentence(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


IN_UTC, IN_ANOTHER_ZONE = checks(elsewhere=False), checks(elsewhere=True)


@pytest.fixture(scope="module", params=DRIVERS)
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """What each check said: its error, or None."""
    place = tmp_path_factory.mktemp("jdbc")
    build(request.param, place)
    with ServerProcess(place / "data") as server:
        yield {**run(server, place, UTC, IN_UTC), **run(server, place, ELSEWHERE, IN_ANOTHER_ZONE)}


def run(server: ServerProcess, place: Path, zone: str, wanted: list[str]) -> dict[str, str]:
    """Run the wanted checks in a Java machine of that time zone."""
    build_place = place / "build"
    done = subprocess.run(
        [
            "java",
            "-XX:TieredStopAtLevel=1",  # it lives for seconds: what is compiled better would never pay
            "-XX:+UseSerialGC",
            "--add-opens=java.base/java.nio=ALL-UNNAMED",
            f"-Duser.timezone={zone}",
            "-cp",
            f"{build_place / 'classes'}{os.pathsep}{build_place / 'drivers'}/*",
            "checks.Main",
            server.uri.removeprefix("grpc://"),
            "root",
            ROOT_PASSWORD,
            *wanted,
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=CHECKS_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["check"]: line["error"] for line in said}


@pytest.mark.parametrize("check", [*IN_UTC, *IN_ANOTHER_ZONE], ids=sentence)
def test_jdbc(outcomes: Mapping[str, str], check: str):
    assert outcomes[check] is None, outcomes[check]


def test_there_are_checks_of_every_kind():
    assert len(IN_UTC) > 60
    assert len(IN_ANOTHER_ZONE) > 3
