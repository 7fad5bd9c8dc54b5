"""The page says what the results say, the misses first."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.proof import junit, summaries
from tests.proof.faults import nodes
from tests.proof.junit import Result
from tests.proof.page import page

OWN_TESTS = """
import pytest

class TestIn:
    def test_kept(self): pass

@pytest.mark.parametrize("a", [1, 2])
def test_half(a): assert a == 1

@pytest.mark.parametrize("a", ["x::y", "z"])
def test_odd(a): pass

def test_left(): pytest.skip("no time")
"""
RUN = {"seed": 7, "minutes": 2.04, "made": 1200, "comparable": 1000, "equal": 1000, "refused": 200, "different": 0}


@dataclass(frozen=True)
class Stub:
    """Has what an entry of FAULTS has, as far as the page reads it."""

    name: str
    test: str
    kind: str = "K1"
    what: str = "Rows go missing | silently."
    upstream: str = "21246; duckdb 18540; not reported as such"
    kept_by: str = "a rewrite"


FAULTS = [
    Stub("kept", "test_own.py::TestIn::test_kept", upstream="not reported"),
    Stub("left", "test_own.py::test_left"),
    Stub("half", "test_own.py::test_half"),
    Stub("gone", "test_own.py::test_gone"),
    Stub("same", "test_own.py::test_half"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> junit.Results:
    """Of a real run."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "test_own.py").write_text(OWN_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=own.xml", "test_own.py"]
    subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=60)
    return junit.read(folder / "own.xml")


@pytest.mark.parametrize(
    ("node", "result"),
    [
        ("test_own.py::TestIn::test_kept", Result.PASSED),
        ("test_own.py::TestIn", Result.MISSING),
        ("test_own.py::test_half", Result.FAILED),
        ("test_own.py::test_half[1]", Result.PASSED),
        ("test_own.py::test_odd[x::y]", Result.PASSED),
        ("test_own.py::test_left", Result.SKIPPED),
        ("test_own.py::test_le", Result.MISSING),
        ("test_own.py", Result.FAILED),
        ("elsewhere/test_own.py", Result.MISSING),
    ],
)
def test_a_node_has_the_worst_result_of_its_cases(results: junit.Results, node: str, result: Result):
    assert results.of(node) is result


def test_what_failed_comes_before_what_was_not_run_and_that_before_what_passed(results: junit.Results):
    text = page(FAULTS, results, [])
    misses = [text.index(f"- K1 `{name}`,") for name in ("half", "same", "gone", "left")]
    assert misses == sorted(misses)
    assert "- K1 `kept`" not in text
    rows = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| K1")]
    assert rows == ["`half`", "`same`", "`gone`", "`left`", "`kept`"]
    assert "5 faults, 1 of them kept away" in text


def test_a_row_says_all_of_a_fault(results: junit.Results):
    (row,) = (line for line in page(FAULTS, results, []).splitlines() if line.startswith("| K1 | `half`"))
    ours = "[21246](https://github.com/apache/datafusion/issues/21246)"
    theirs = "[duckdb 18540](https://github.com/duckdb/duckdb/issues/18540)"
    report = f"{ours}; {theirs}; not reported as such"
    test = "`test_own.py::test_half` | **failed**"
    assert row == rf"| K1 | `half` | Rows go missing \| silently. | {report} | a rewrite | {test} |"
    assert "| not reported | a rewrite | `test_own.py::TestIn::test_kept` | passed |" in page(FAULTS, results, [])


def test_tests_are_listed_once():
    assert len(nodes(FAULTS)) == 4


def test_runs_are_shown_with_their_figures_those_with_misses_first(results: junit.Results, tmp_path: Path):
    (tmp_path / "second-opinion.json").write_text(json.dumps(RUN))
    refused = {
        "kind": "error",
        "sqlstate": "42883",
        "reason": "no such function",
        "times": 3,
        "smallest": "SELECT\n f(1)",
    }
    counts = {"right": 5, "wrong": 1, "error": 3}
    sqlite = {
        **RUN,
        "seed": None,
        "different": 1,
        "undocumented": 3,
        "files": {"a/x": counts, "a/y": counts, "z": counts},
    }
    (tmp_path / "sqlite.json").write_text(json.dumps({**sqlite, "classes": [refused]}))
    text = page(FAULTS[:1], results, summaries.read_all(tmp_path))
    assert "- sqlite: 1 wrong answers, 3 refusals that sql.md does not list." in text
    assert "| second-opinion | 7 | 2.0 | 1,200 | 1,000 | 1,000 | 0 | 200 | 0 |" in text
    assert text.index("| sqlite | - |") < text.index("| second-opinion |")
    assert "| a | 2 | 10 | 2 | 0 | 6 | 0 |\n| z | 1 | 5 | 1 | 0 | 3 | 0 |" in text
    assert "| 42883 | **no** | 3 | no such function | `SELECT f(1)` |" in text


def test_a_run_without_misses_says_so(results: junit.Results):
    assert "## What is not as it should be\nNothing in this run.\n" in page(FAULTS[:1], results, [])


def test_the_page_is_the_same_for_the_same_results(results: junit.Results):
    assert page(FAULTS, results, []) == page(FAULTS, results, [])
