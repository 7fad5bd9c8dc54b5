"""Calls by the names of other databases: written as the engine's own, and only where they are calls."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flight_server.access.sessions.session import Session
from flight_server.parser.dialect.other_calls import with_own_calls
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.read_text import read_text
from flight_server.parser.text.sql_text import SqlText
from flight_server.query.sessions.functions import functions
from storage.errors import FrostlineError, LimitExceeded
from tests.support.in_process import House, house

In = tuple[House, Session]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[In]:
    with house(tmp_path_factory.mktemp("calls")) as opened:
        yield opened, opened.enter()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT 1 + mod(a, b) FROM t", "SELECT 1 + ((a) % ( b)) FROM t"),
        ("SELECT MOD (mod(a, f(b, 1)), 2) FROM t", 'SELECT ((((a) % ( f(b, 1)))) % ( 2)) AS "mod" FROM t'),
        ("SELECT from_hex(a) AS x", "SELECT decode(a, 'hex') AS x"),
        ("SELECT approx_count_distinct(DISTINCT a)", "SELECT approx_distinct(DISTINCT a)"),
        ("SELECT listagg(a)", "SELECT string_agg(a, '')"),
        ("SELECT listagg(a ORDER BY b)", "SELECT string_agg(a , '' ORDER BY b)"),
        ("SELECT listagg(a, ',') WITHIN GROUP (ORDER BY b)", "SELECT string_agg(a, ',' ORDER BY b)"),
        ("SELECT listagg(a) WITHIN GROUP (ORDER BY b)", "SELECT string_agg(a, '' ORDER BY b)"),
        ("SELECT group_concat(DISTINCT a)", "SELECT string_agg(DISTINCT a, ',')"),
        ("SELECT pg_catalog.upper(a), pg_catalog . mod(1, 2)", 'SELECT upper(a),  ((1) % ( 2)) AS "mod"'),
        ("SELECT year(a)", "SELECT date_part('year', a) AS \"year\""),
        ("SELECT a FROM t ORDER BY mod(a, 2)", "SELECT a FROM t ORDER BY ((a) % ( 2))"),
        ("SELECT a FROM t JOIN u ON mod(a, 2) = 0", "SELECT a FROM t JOIN u ON ((a) % ( 2)) = 0"),
        ("CREATE TABLE t (a INT DEFAULT mod(7, 4))", "CREATE TABLE t (a INT DEFAULT ((7) % ( 4)))"),
        ("UPDATE t SET a = mod(a, 2)", "UPDATE t SET a = ((a) % ( 2))"),
    ],
)
def test_calls_are_written_as_the_engines_own(text: str, wanted: str):
    assert with_own_calls(SqlText(text)).sql == wanted


@pytest.mark.parametrize(
    "text",
    [
        "SELECT mod, year, len FROM t",
        "CREATE TABLE mod (a INT)",
        "CREATE TABLE IF NOT EXISTS year (a INT)",
        "CREATE OR REPLACE VIEW len (a) AS SELECT 1",
        "INSERT INTO mod (a, b) VALUES (1, 2)",
        "WITH mod (a, b) AS (SELECT 1, 2), year (a) AS (SELECT 1) SELECT * FROM mod, year",
        "SELECT * FROM t AS mod (a, b), u year (c)",
        "SELECT f.mod(1, 2), 'mod(1, 2)', \"mod\"(1, 2) -- mod(1, 2)",
    ],
)
def test_names_and_texts_stay(text: str):
    assert with_own_calls(SqlText(text)).sql == text


def test_no_name_of_the_engines_own_is_taken():
    own = {function.name for function in functions()}
    for name in ("mod", "listagg", "datediff", "len", "sign", "year", "json_value", "from_hex"):
        assert name not in own


@pytest.mark.parametrize(
    ("call", "sqlstate"),
    [
        ("mod(1)", "42883"),
        ("datediff(a, b)", "42883"),
        ("datediff(1, a, b)", "22023"),
        ("datediff('eon', a, b)", "22023"),
        ("datediff($1, a, b)", "22023"),
        ("from_hex(a, b)", "42883"),
        ("year(a, b)", "42883"),
        ("json_extract(a, '$.b')", "0A000"),
        ("json_value(a, '$.b')", "0A000"),
    ],
)
def test_what_can_not_be_written_so_is_refused(call: str, sqlstate: str):
    with pytest.raises(FrostlineError) as caught:
        with_own_calls(SqlText(f"SELECT {call} FROM t"))
    assert caught.value.sqlstate == sqlstate


def test_the_guard_sees_what_the_engine_will_see():
    limits = GuardLimits()
    call = "a"
    with pytest.raises(LimitExceeded):  # noqa: PT012
        for _ in range(200):
            call = f"datediff('day', {call}, a)"
            read_text(f"SELECT {call} FROM t", limits)


UNITS = {
    "day": lambda d: d.toordinal(),
    "week": lambda d: (d.toordinal() - 1) // 7,
    "month": lambda d: d.year * 12 + d.month,
    "quarter": lambda d: d.year * 4 + (d.month - 1) // 3,
    "year": lambda d: d.year,
}


@given(st.dates(), st.dates(), st.sampled_from(sorted(UNITS)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_datediff_counts_what_begins_between(inside: In, one: dt.date, other: dt.date, unit: str):
    opened, session = inside
    wanted = UNITS[unit](other) - UNITS[unit](one)
    assert opened.value(session, f"SELECT datediff('{unit}', DATE '{one}', DATE '{other}')") == wanted
    assert opened.value(session, f"SELECT date_diff({unit}s, '{one}', TIMESTAMP '{other} 23:59:59')") == wanted


@pytest.mark.parametrize("year", [1, 1582, 1899, 1900, 2000, 2399, 9999])
@pytest.mark.parametrize("unit", ["month", "quarter", "year"])
def test_every_month_is_counted(inside: In, year: int, unit: str):
    opened, session = inside
    days = [dt.date(year, month, day) for month in range(1, 13) for day in (1, 15, 28)]
    rows = ", ".join(f"(DATE '{day}')" for day in days)
    found = opened.do(session, f"SELECT d, datediff('{unit}', DATE '1970-01-01', d) AS n FROM (VALUES {rows}) AS t (d)")
    start = UNITS[unit](dt.date(1970, 1, 1))
    assert {row["d"]: row["n"] for row in found.to_pylist()} == {day: UNITS[unit](day) - start for day in days}


def test_they_work_in_views_changes_and_defaults(inside: In):
    opened, session = inside
    opened.do(session, "CREATE TABLE c (a INT, b INT DEFAULT mod(7, 4))")
    opened.do(session, "INSERT INTO c (a) SELECT mod(x, 3) FROM (VALUES (4), (5)) AS t (x)")
    opened.do(session, "UPDATE c SET a = mod(a, 2) + 10 WHERE mod(a, 2) = 0")
    opened.do(session, "CREATE VIEW v AS SELECT mod(a, 4) AS m, b FROM c")
    assert sorted(opened.do(session, "SELECT * FROM v").to_pydict()["m"]) == [1, 2]
    assert opened.value(session, "SELECT listagg(b) FROM v") == "33"
    again = opened.do(session, "SHOW CREATE TABLE v").to_pylist()[0]["create_statement"]
    opened.do(session, "DROP VIEW v")
    opened.do(session, again)
    assert opened.do(session, "SELECT * FROM v").num_rows == 2
