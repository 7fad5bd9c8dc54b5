"""The runner of SQLite's files, on two files of our own in their format. Theirs are fetched by whoever runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sqllogic.sqlite import report
from tests.sqllogic.sqlite.outcomes import DOCUMENTED, FileReport
from tests.sqllogic.sqlite.running import FileRun
from tests.sqllogic.sqlite.script import parse
from tests.sqllogic.sqlite.states import STATES
from tests.support.server_process import REPOSITORY, ServerProcess

FILES = Path(__file__).parent / "files"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("sqlite") / "data") as process:
        yield process


def run(process: ServerProcess, name: str, states: tuple[str, ...] = STATES) -> FileReport:
    text = (FILES / f"{name}.test").read_text(encoding="utf-8")
    return FileRun(process, name, states, seconds_max=0).run(parse(text))


@pytest.mark.parametrize("states", [STATES, ("cold",), ("mixed", "hot")])
def test_a_right_file_is_right_however_its_rows_are_stored(process: ServerProcess, states: tuple[str, ...]):
    found = run(process, "squares", states)
    assert found.noted == []
    assert found.queries == {"right": 10}
    assert found.statements == {"right": 18, "index": 2}


def test_each_record_that_does_not_come_out_as_written_is_noted(process: ServerProcess):
    found = run(process, "faulty")
    assert found.queries == {"right": 2, "wrong": 4, "refused": 1, "error": 1, "follows": 1, "typed": 1}
    assert found.statements == {"right": 5, "wrong": 1, "refused": 1, "error": 1, "follows": 1}
    wrong = found.of_kind("wrong")
    assert [outcome.got for outcome in wrong] == [
        ("success",),
        ("1", "3"),
        ("1", "2", "3", "4"),
        ("2 columns",),
        ("2",),
    ]
    assert {outcome.state for outcome in found.noted} == set(STATES)


def test_the_report_shows_wrong_answers_and_the_smallest_text_of_each_class(process: ServerProcess):
    found = run(process, "faulty")
    text = "\n".join(report.lines([found]))
    assert "WRONG faulty:17 (hot)\n    SELECT a FROM t\n    expected: 1 | 4\n    got:      1 | 3" in text
    assert "error 42883, 1 times" in text
    assert report.file_line(found).split()[:5] == ["faulty", "right", "2", "wrong", "4"]
    summary = json.loads(json.dumps(report.summary([found])))
    figures = {"made": 10, "comparable": 6, "equal": 2, "different": 4, "refused": 3, "undocumented": 1}
    assert {name: summary[name] for name in figures} == figures


def test_a_file_that_is_out_of_time_says_what_it_left_out(process: ServerProcess):
    text = (FILES / "squares.test").read_text(encoding="utf-8")
    found = FileRun(process, "late", ("hot",), seconds_max=1e-9).run(parse(text))
    assert (found.ended, found.left_out) == ("out of time", 10)


def test_what_counts_as_documented_is_in_the_reference():
    reference = " ".join((REPOSITORY / "docs" / "sql.md").read_text(encoding="utf-8").split())
    assert [quote for _, _, quote in DOCUMENTED if quote not in reference] == []
