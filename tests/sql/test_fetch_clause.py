"""FETCH FIRST as LIMIT: in every spelling, and only where it is that clause."""

from __future__ import annotations

import itertools

import pytest

from flight_server.parser.dialect.fetch_clause import with_limits
from flight_server.parser.guard.check import check_text
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.text.sql_text import SqlText
from storage.errors import FrostlineError

SPELLINGS = list(itertools.product(("FIRST", "next"), ("2", "$1", "(1 + 1)", ""), ("ROW", "rows")))


def rewritten(text: str) -> str:
    return with_limits(SqlText(text)).sql


@pytest.mark.parametrize(("first", "count", "rows"), SPELLINGS)
def test_fetch_is_limit(first: str, count: str, rows: str):
    text = f"SELECT a FROM t FETCH {first} {count} {rows} ONLY"
    assert rewritten(text) == f"SELECT a FROM t LIMIT {count or '1'}"
    check_text(text, GuardLimits())


@pytest.mark.parametrize(("first", "count", "rows"), SPELLINGS)
@pytest.mark.parametrize("offset", ["3", "$2", "(1 + (2))"])
def test_an_offset_in_rows_goes_behind_the_limit(first: str, count: str, rows: str, offset: str):
    text = f"SELECT a FROM t OFFSET {offset} {rows} FETCH {first} {count} {rows} ONLY) x"
    assert rewritten(text) == f"SELECT a FROM t LIMIT {count or '1'} OFFSET {offset}) x"
    without = f"SELECT a FROM t OFFSET {offset} FETCH {first} {count} {rows} ONLY"
    assert rewritten(without) == f"SELECT a FROM t OFFSET {offset} LIMIT {count or '1'}"


def test_each_of_several_is_rewritten():
    text = "SELECT (SELECT 1 FETCH FIRST ROW ONLY) FROM (SELECT 2 FETCH NEXT 3 ROWS ONLY) q"
    assert rewritten(text) == "SELECT (SELECT 1 LIMIT 1) FROM (SELECT 2 LIMIT 3) q"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT fetch FROM t",
        "SELECT fetch first FROM t",
        "SELECT 'FETCH FIRST ROW ONLY'",
        'SELECT "fetch" FROM t -- FETCH FIRST ROW ONLY',
        "UPDATE t SET a = 1 FETCH FIRST ROW ONLY",
        "DELETE FROM t FETCH FIRST ROW ONLY",
    ],
)
def test_names_texts_and_changes_stay(text: str):
    assert rewritten(text) == text


@pytest.mark.parametrize(
    ("clause", "sqlstate"),
    [
        ("FETCH FIRST 2 ROWS WITH TIES", "0A000"),
        ("FETCH FIRST ROW WITH TIES", "0A000"),
        ("FETCH FIRST 10 PERCENT ROWS ONLY", "0A000"),
        ("FETCH NEXT ($1) PERCENT ROW WITH TIES", "0A000"),
        ("FETCH FIRST 2", "42601"),
        ("FETCH FIRST 2 ROWS", "42601"),
        ("FETCH FIRST 2 ONLY", "42601"),
        ("FETCH FIRST (2 ROWS ONLY", "42601"),
    ],
)
def test_what_limit_can_not_say_is_refused(clause: str, sqlstate: str):
    with pytest.raises(FrostlineError) as caught:
        rewritten(f"SELECT a FROM t {clause}")
    assert caught.value.sqlstate == sqlstate
