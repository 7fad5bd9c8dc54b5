"""The runner of SQLite's files, on two files of our own in their format. Theirs are fetched by whoever runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.server_process import REPOSITORY, ServerProcess
from tests.sqllogic.sqlite import report
from tests.sqllogic.sqlite.loading import Load, gathered, spread
from tests.sqllogic.sqlite.outcomes import DOCUMENTED, FileReport
from tests.sqllogic.sqlite.results import agree, digest, shown, values_of
from tests.sqllogic.sqlite.running import FileRun
from tests.sqllogic.sqlite.script import BadScript, Query, Statement, parse
from tests.sqllogic.sqlite.states import STATES

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
    assert found.queries == {"right": 2, "wrong": 4, "refused": 1, "error": 1, "follows": 1}
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
    figures = {"made": 9, "comparable": 6, "equal": 2, "different": 4, "refused": 3, "undocumented": 1}
    assert {name: summary[name] for name in figures} == figures


def test_a_file_that_is_out_of_time_says_what_it_left_out(process: ServerProcess):
    text = (FILES / "squares.test").read_text(encoding="utf-8")
    found = FileRun(process, "late", ("hot",), seconds_max=1e-9).run(parse(text))
    assert (found.ended, found.left_out) == ("out of time", 10)


def test_what_counts_as_documented_is_in_the_reference():
    reference = " ".join((REPOSITORY / "docs" / "sql.md").read_text(encoding="utf-8").split())
    assert [quote for _, _, quote in DOCUMENTED if quote not in reference] == []


@pytest.mark.parametrize(
    ("value", "letter", "text"),
    [
        (None, "I", "NULL"),
        (7, "I", "7"),
        (2.9, "I", "2"),
        (-2.9, "I", "-2"),
        (True, "I", "1"),
        (2**31, "I", "-2147483648"),
        (Decimal("3.7"), "I", "3"),
        ("12 apples", "I", "12"),
        ("apples", "I", "0"),
        (1, "R", "1.000"),
        (0.0005, "R", "0.001"),
        (Decimal("1.25"), "R", "1.250"),
        ("", "T", "(empty)"),
        ("a\tbä", "T", "a@b@"),
        (3, "T", "3"),
        (2.0, "T", "2.0"),
        (0.1 + 0.2, "T", "0.3"),
        (False, "T", "0"),
        (b"raw", "T", "raw"),
    ],
)
def test_a_value_is_printed_as_its_letter_says(value: Any, letter: str, text: str):
    assert shown(value, letter) == text


def test_rows_are_sorted_as_rows_and_values_as_values():
    table = pa.table({"a": [10, 2, 1], "b": [1, 3, 2]})
    assert values_of(table, "II", "nosort") == ["10", "1", "2", "3", "1", "2"]
    assert values_of(table, "II", "rowsort") == ["1", "2", "10", "1", "2", "3"]
    assert values_of(table, "II", "valuesort") == ["1", "1", "10", "2", "2", "3"]


def test_a_hash_stands_for_the_values_and_their_number():
    assert digest(["1", "2"]) == "6ddb4095eb719e2a9f0a3f95677d24e0"  # printf '1\n2\n' | md5sum
    assert agree(["1", "2"], ("2 values hashing to 6ddb4095eb719e2a9f0a3f95677d24e0",))
    assert not agree(["1", "2"], ("3 values hashing to 6ddb4095eb719e2a9f0a3f95677d24e0",))
    assert not agree(["2", "1"], ("2 values hashing to 6ddb4095eb719e2a9f0a3f95677d24e0",))


def test_a_halt_for_another_engine_does_not_stop_the_file():
    text = "skipif sqlite\nhalt\n\nstatement ok\nSELECT 1"
    assert parse(text, "sqlite") == [Statement(4, "SELECT 1")]
    assert parse(text, "postgresql") == []


@pytest.mark.parametrize("text", ["statement maybe\nSELECT 1", "query B\nSELECT 1", "query I up\nSELECT 1", "skipif x"])
def test_what_is_no_record_is_refused(text: str):
    with pytest.raises(BadScript, match=r"^[12]:"):
        parse(text)


def test_rows_of_one_table_are_gathered_over_those_of_others():
    texts = [
        "INSERT INTO a VALUES(1)",
        "INSERT INTO b VALUES(2)",
        "insert into a values (3)",
        "INSERT INTO a VALUES(4)",
    ]
    (load,) = gathered(Statement(1, text) for text in texts)
    assert isinstance(load, Load)
    assert load.texts[0] == "INSERT INTO a VALUES (1), (4)"
    assert len(load.texts) == 3


def test_rows_are_not_gathered_over_what_looks_at_them():
    records = [Statement(1, "INSERT INTO a VALUES(1)"), Statement(2, "INSERT INTO a SELECT 2"), Statement(3, "DROP b")]
    assert [type(step) for step in gathered(records)] == [Load, Statement, Statement]


def test_queries_are_left_out_evenly_and_statements_never():
    queries = [Query(n, "SELECT 1", "I", "nosort", "", ()) for n in range(10)]
    kept, left_out = spread([Statement(0, "x"), *queries], 3)
    assert (len(kept), left_out) == (4, 7)
    assert [query.line for query in kept[1:]] == [3, 6, 9]
