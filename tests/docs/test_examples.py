"""The examples of the README and of docs/connect work as pasted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.go.go_build import MODULE as GO_MODULE
from tests.clients.go.go_build import build as build_go
from tests.clients.jdbc.jdbc_build import DRIVERS as JDBC_DRIVERS
from tests.clients.jdbc.jdbc_build import build as build_jdbc
from tests.docs.markdown import blocks
from tests.support.server_process import REPOSITORY, ServerProcess

README = REPOSITORY / "README.md"
CONNECT = REPOSITORY / "docs" / "connect"
PYTHON_PAGES = [page for page in sorted(CONNECT.glob("*.md")) if blocks(page, "python")]
DOCUMENTED_ADDRESS = "127.0.0.1:4747"  # the usual port may be taken where the tests run
DOCUMENTED_PASSWORD = "frostline"


@pytest.fixture(scope="module")
def documented_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server as the documents say to start one, but for its port."""
    data = tmp_path_factory.mktemp("documented") / "data"
    with ServerProcess(data, root_password=DOCUMENTED_PASSWORD) as process:
        yield process


def run(code: str, server: ServerProcess, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run pasted code in a process of its own."""
    script = directory / "pasted.py"
    paste(code, server, script)
    return run_command([sys.executable, "-W", "error", str(script)], directory)


def paste(code: str, server: ServerProcess, file: Path) -> None:
    """Write pasted code into a file, for the server that is there."""
    assert DOCUMENTED_ADDRESS in code
    file.write_text(code.replace(DOCUMENTED_ADDRESS, server.uri.removeprefix("grpc://")), encoding="utf-8")


def run_command(command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
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


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=lambda page: page.stem)
def test_the_python_examples_of_a_page_work_one_after_the_other(
    documented_server: ServerProcess, tmp_path: Path, page: Path
):
    done = run("\n".join(blocks(page, "python")), documented_server, tmp_path)
    assert done.returncode == 0, done.stderr


def test_all_pages_with_python_are_known():
    assert {page.stem for page in PYTHON_PAGES} == {"adbc", "duckdb", "pandas", "polars", "pyarrow", "sqlalchemy"}


def test_the_java_example_works_as_pasted(documented_server: ServerProcess, tmp_path: Path):
    code = blocks(CONNECT / "java.md", "java")[0]  # the second one reads on for ever: see the checks of the driver
    build_jdbc(JDBC_DRIVERS[0], tmp_path)
    paste(code, documented_server, tmp_path / "Birds.java")
    flags = ["--add-opens=java.base/java.nio=ALL-UNNAMED", "-Duser.timezone=UTC"]
    done = run_command(["java", *flags, "-cp", str(tmp_path / "build" / "drivers" / "*"), "Birds.java"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["crane 5.0", "swan 4.0"]


@pytest.mark.timeout(600)
def test_the_go_example_works_as_pasted(documented_server: ServerProcess, tmp_path: Path):
    (code,) = blocks(CONNECT / "go.md", "go")
    build_go(tmp_path / "checks")  # skips where Go can't be used, and has compiled what the example needs
    for name in ("go.mod", "go.sum"):
        shutil.copy(GO_MODULE / name, tmp_path / name)
    paste(code, documented_server, tmp_path / "main.go")
    done = run_command(["go", "run", "main.go"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "swan\n"


def test_grafanas_query_works_as_the_plugin_expands_it(documented_server: ServerProcess):
    query = next(block for block in blocks(CONNECT / "grafana.md", "") if "$__dateBin" in block)
    query = query.replace("$__dateBin(made)", "date_bin(interval '60 second', made, timestamp '1970-01-01T00:00:00Z')")
    query = query.replace("$__timeRange(made)", "made >= '2024-01-01T00:00:00Z' AND made <= '2024-01-02T00:00:00Z'")
    with documented_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE grafana_birds (made TIMESTAMP WITH TIME ZONE, kg DOUBLE)")
        rows = "('2024-01-01T10:00:10Z', 1), ('2024-01-01T10:00:20Z', 3), ('2025-01-01T00:00:00Z', 9)"
        cursor.execute(f"INSERT INTO grafana_birds VALUES {rows}")
        cursor.execute(query)
        assert cursor.fetch_arrow_table()["kg"].to_pylist() == [2.0]
