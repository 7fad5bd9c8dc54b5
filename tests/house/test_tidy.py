"""The rules of the house, held by reading the source: who imports whom, which door each library has, sizes, words."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.house.source_files import PACKAGES, ROOT, imports_of, is_below, sources, text_of, tree_of

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

# Library -> the only files (or folders) that may import it. A prefix names all modules below it.
DOORS = {
    "rocksdict": ("storage/rowstore/row_store.py",),
    "pyarrow.parquet": ("storage/cold/parquet.py",),
    "datafusion": ("flight_server/query/",),
    "pyarrow.flight": ("flight_server/",),
    "argon2": ("flight_server/access/login/",),
    "jwt": ("flight_server/access/login/",),
    "cryptography": ("flight_server/flight/certificates.py", "storage/catalog/credentials.py"),
    "boto3": ("storage/cold/s3_client.py",),
    "botocore": ("storage/cold/s3_client.py",),
    "google.protobuf": ("flight_server/wire/",),
    "sqlglot": ("flight_server/parser/text/lexer.py", "flight_server/rewrite/"),
    "prometheus_client": ("flight_server/monitoring/metrics.py",),
    "trio": ("flight_server/app.py", "flight_server/monitoring/health.py", "jobs/"),
}

# Package -> what it may not import. Only the composition root may see jobs.
FORBIDDEN_IMPORTS = {
    "storage": ("flight_server", "jobs"),
    "jobs": ("flight_server",),
    "flight_server": ("jobs",),
}
COMPOSITION_ROOT = "flight_server/app.py"

# Words -> why they are not in the source.
BANNED = {
    r"\bpickle\b": "stored or received bytes must never be code",
    r"\bcloudpickle\b": "stored or received bytes must never be code",
    r"enable_url_table": "it opens files by SQL, whatever the SQL options say",
    r"\bctx\.sql\(|\bcontext\.sql\(": "plain sql() runs DDL, COPY and SET; use sql_with_options",
    r"with_python_udf_inlining": "it would run code from plan bytes",
    r"\bshell=True\b": "no shell ever sees our strings",
}
DRAWERS = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "base"})


def test_there_is_something_to_check():
    assert len(sources()) > 30


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str):
    wrong = [
        f"{path} imports {module}"
        for path in sources()
        if path.startswith(f"{package}/") and path != COMPOSITION_ROOT
        for module in imports_of(path)
        if any(is_below(module, forbidden) for forbidden in FORBIDDEN_IMPORTS[package])
    ]
    assert wrong == []


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_one_door(library: str):
    wrong = [
        f"{path} imports {module}"
        for path in sources()
        if not path.startswith(DOORS[library])
        for module in imports_of(path)
        if is_below(module, library)
    ]
    assert wrong == []


def test_one_class_is_the_flight_server():
    wrong = [
        f"{path}: {node.name}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and any("FlightServerBase" in ast.unparse(base) for base in node.bases)
    ]
    assert [found.partition(":")[0] for found in wrong] in ([], ["flight_server/flight/service.py"])


def test_nothing_imports_the_command_line():
    wrong = [path for path in sources() if "flight_server.cli" in imports_of(path)]
    assert wrong in ([], ["flight_server/__main__.py"])


def test_files_are_short():
    assert {path: n for path in sources() if (n := text_of(path).count("\n")) > FILE_LINES_MAX} == {}


def test_functions_are_short():
    long = {
        f"{path}:{node.lineno} {node.name}": lines
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_modules_tell_their_story():
    silent = [path for path in sources() if text_of(path).strip() and not ast.get_docstring(tree_of(path))]
    assert silent == []


def test_no_file_is_a_drawer():
    assert [path for path in sources() if Path(path).stem in DRAWERS] == []


@pytest.mark.parametrize("word", BANNED)
def test_banned_words_are_not_in_the_source(word: str):
    wrong = [
        f"{path}:{number}: {BANNED[word]}"
        for path in sources()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if re.search(word, line)
    ]
    assert wrong == []


def test_log_events_are_words_that_can_be_searched_for():
    """`job_started`, never a sentence; what belongs to it comes as keys."""
    levels = {"debug", "info", "warning", "error", "exception", "critical"}
    wrong = [
        f"{path}:{node.lineno}: {ast.unparse(node.args[0])}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in levels
        and node.args
        if re.search(r"(^|[._])log$|get_logger\(.*\)$", ast.unparse(node.func.value))
        if not re.fullmatch(r"f?'[a-z_]+(\{\w+\})?'|\w+", ast.unparse(node.args[0]))
    ]
    assert wrong == []


def test_only_clocks_ask_the_time():
    """Time comes in as a Clock: `time.time()` and its kin are in storage/clock.py alone."""
    wrong = [
        f"{path}: {module}"
        for path in sources()
        if path != "storage/clock.py"
        for module in imports_of(path)
        if module == "time" or module.startswith("time.")
    ]
    assert wrong == []


def test_no_file_names_a_package_index_or_a_home_directory():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    # Split, so that this file does not name them either.
    pattern = re.compile(
        "|".join(("py" + r"pi\.org", "python" + r"hosted", "--(extra-)?" + "index-url", "/ho" + "me/", "/ro" + "ot/"))
    )
    wrong = [
        f"{name}:{number}"
        for name in filter(None, listed.stdout.split("\0"))
        if (ROOT / name).is_file()
        for number, line in enumerate((ROOT / name).read_bytes().decode("utf-8", "replace").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert wrong == []
