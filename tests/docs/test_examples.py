"""The Python examples of the README and of docs/connect.md work as pasted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import blocks
from tests.server_process import REPOSITORY, ServerProcess

README = REPOSITORY / "README.md"
CONNECT = REPOSITORY / "docs" / "connect.md"
DOCUMENTED_URI = "grpc://127.0.0.1:4747"  # the usual port may be taken where the tests run
DOCUMENTED_PASSWORD = "frostline"


@pytest.fixture(scope="module")
def documented_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server as the documents say to start one, but for its port."""
    data = tmp_path_factory.mktemp("documented") / "data"
    with ServerProcess(data, root_password=DOCUMENTED_PASSWORD) as process:
        yield process


def run(code: str, server: ServerProcess, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run pasted code in a process of its own."""
    assert DOCUMENTED_URI in code
    script = directory / "pasted.py"
    script.write_text(code.replace(DOCUMENTED_URI, server.uri), encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_readme_names_the_password_that_its_example_uses():
    text = README.read_text(encoding="utf-8")
    assert f"FROSTLINE_ROOT_PASSWORD={DOCUMENTED_PASSWORD} make serve" in text
    assert text.index("make serve") < text.index("make test") < text.index("```python")


def test_the_readmes_example_works_as_pasted_and_twice(documented_server: ServerProcess, tmp_path: Path):
    (code,) = blocks(README, "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    for _ in range(2):
        done = run(code, documented_server, tmp_path)
        assert done.returncode == 0, done.stderr
        assert [line.split()[-2:] for line in done.stdout.splitlines()[1:]] == [
            ["Baikal", "1642"],
            ["Ontario", "244"],
            ["Inari", "95"],
        ]


def test_the_examples_for_clients_work_one_after_the_other(documented_server: ServerProcess, tmp_path: Path):
    done = run("\n".join(blocks(CONNECT, "python")), documented_server, tmp_path)
    assert done.returncode == 0, done.stderr
