"""SQLite's format: what is read from it, and how results are written and compared."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from tests.sqllogic.sqlite.fixed_types import answer_by_fixed_types, with_fixed_types
from tests.sqllogic.sqlite.loading import Load, gathered, spread
from tests.sqllogic.sqlite.results import agree, digest, shown, values_of
from tests.sqllogic.sqlite.script import BadScript, Query, Statement, parse


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


@pytest.mark.parametrize(
    ("sql", "fixed"),
    [
        ("SELECT NULLIF(95, AVG(a)) / 12", "SELECT NULLIF((1.0 * (95)), AVG(a)) / 12"),
        ("SELECT COALESCE(a, b, 1.5)", "SELECT COALESCE((1.0 * (a)), (1.0 * (b)), 1.5)"),
        (
            "SELECT CASE WHEN a THEN 2 ELSE -CAST(b AS REAL) END",
            "SELECT CASE WHEN a THEN (1.0 * (2)) ELSE -CAST(b AS REAL) END",
        ),
        ("SELECT CASE a WHEN 1.5 THEN 2 ELSE 3 END, COALESCE(1, COUNT(*)), NULLIF(1.5, 2.5)", None),
        ("SELECT AVG(a) / 2", None),
        ("no query", None),
    ],
)
def test_branches_beside_a_real_one_become_real(sql: str, fixed: str | None):
    assert with_fixed_types(sql) == fixed


def test_sqlite_is_asked_again_over_the_same_tables():
    query = Query(1, "SELECT 3 * (COALESCE(a, 0.5) / 3) FROM t", "I", "nosort", "", ())
    assert answer_by_fixed_types(query, ["CREATE TABLE t(a)", "INSERT INTO t VALUES(28)"]) == ["28"]
    assert answer_by_fixed_types(query, []) is None
