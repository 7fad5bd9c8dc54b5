"""AS OF becomes a part of the table's name."""

from __future__ import annotations

import pytest

from flight_server.parser.statements.changes import Delete, Insert, QueryRows
from flight_server.parser.statements.statement import Query
from flight_server.parser.statements.views import CreateView
from flight_server.parser.text.time_travel import with_time_travel
from storage.errors import InvalidRequest
from storage.seq import SEQ_TIME_SHIFT
from tests.support.parsed import parse

NOON_MS = 1_769_860_800_000  # 2026-01-31 12:00:00 UTC
NOON = ((NOON_MS + 1) << SEQ_TIME_SHIFT) - 1


def _query(text: str) -> str:
    statement = parse(text)
    assert isinstance(statement, Query)
    return statement.sql


@pytest.mark.parametrize(
    "as_of",
    [
        "FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-31 12:00:00'",
        "for system_time as of '2026-01-31 12:00:00'",
        "FOR SYSTEM_TIME AS OF '2026-01-31T12:00:00Z'",
        "FOR SYSTEM_TIME AS OF '2026-01-31 13:00:00+01:00'",
        "FOR SYSTEM_TIME AS OF '2026-01-31 12:00:00.000999'",
        "FOR TIMESTAMP AS OF '2026-01-31 12:00'",
        "AS OF TIMESTAMP '2026-01-31 12:00:00'",
        "AS /* of */ OF TIMESTAMP '2026-01-31 12:00:00'",
    ],
)
def test_a_time_is_the_last_version_of_its_millisecond(as_of: str) -> None:
    assert _query(f"SELECT * FROM t {as_of}") == f'SELECT * FROM "_frostline_v{NOON}_t" AS "t"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT t.a FROM t AS OF VERSION 5", 'SELECT t.a FROM "_frostline_v5_t" AS "t"'),
        ("SELECT t.a FROM t FOR VERSION AS OF 5 WHERE a = 1", 'SELECT t.a FROM "_frostline_v5_t" AS "t" WHERE a = 1'),
        ("SELECT * FROM N.T AS OF VERSION 5 AS x", 'SELECT * FROM N."_frostline_v5_t" AS x'),
        ('SELECT * FROM n."T" AS OF VERSION 5 x', 'SELECT * FROM n."_frostline_v5_T" x'),
        (
            "SELECT * FROM a AS OF VERSION 1 JOIN b AS OF VERSION 2 ON a.x = b.x",
            'SELECT * FROM "_frostline_v1_a" AS "a" JOIN "_frostline_v2_b" AS "b" ON a.x = b.x',
        ),
        (
            "SELECT * FROM a, (SELECT * FROM b AS OF VERSION 2) c",
            'SELECT * FROM a, (SELECT * FROM "_frostline_v2_b" AS "b") c',
        ),
        ("SELECT a AS of FROM t", "SELECT a AS of FROM t"),
        ("SELECT 'FOR SYSTEM_TIME AS OF' FROM t", "SELECT 'FOR SYSTEM_TIME AS OF' FROM t"),
        ("TABLE t AS OF VERSION 5", 'SELECT * FROM "_frostline_v5_t" AS "t"'),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF '1960-01-01'", 'SELECT * FROM "_frostline_v0_t" AS "t"'),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF '9999-12-31'", f'SELECT * FROM "_frostline_v{(1 << 63) - 1}_t" AS "t"'),
    ],
)
def test_the_version_is_written_into_the_name(text: str, expected: str) -> None:
    assert _query(text) == expected


def test_changes_read_past_versions_in_their_sources() -> None:
    insert = parse("INSERT INTO t SELECT * FROM t AS OF VERSION 5")
    assert isinstance(insert, Insert)
    assert insert.source == QueryRows('SELECT * FROM "_frostline_v5_t" AS "t"')
    delete = parse("DELETE FROM t WHERE a IN (SELECT a FROM s AS OF VERSION 7)")
    assert isinstance(delete, Delete)
    assert delete.where_sql == 'a IN (SELECT a FROM "_frostline_v7_s" AS "s")'
    view = parse("CREATE VIEW v AS SELECT * FROM t AS OF VERSION 5")
    assert isinstance(view, CreateView)
    assert view.sql == 'SELECT * FROM "_frostline_v5_t" AS "t"'
    assert with_time_travel(view.sql) == 'SELECT * FROM "t" FOR VERSION AS OF 5 AS "t"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT * FROM t x FOR SYSTEM_TIME AS OF '2026-01-01'", "before its alias"),
        ("SELECT * FROM t AS x AS OF VERSION 5", "before its alias"),
        ("SELECT * FROM (SELECT 1) FOR SYSTEM_TIME AS OF '2026-01-01'", "before its alias"),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF now()", "AS OF takes a time as a string"),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF $1", "AS OF takes a time as a string"),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF", "AS OF takes a time as a string"),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF 5", "a time as a string, or VERSION"),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF 'yesterday'", "'yesterday' is not a time"),
        ("SELECT * FROM t FOR VERSION AS OF 'x'", "a version is a whole number"),
        ("SELECT * FROM t AS OF VERSION 1.5", "a version is a whole number"),
        (f"SELECT * FROM t AS OF VERSION {1 << 63}", "a version is a whole number"),
        ("INSERT INTO t AS OF VERSION 5 VALUES (1)", "AS OF can't be used here"),
        ("UPDATE t AS OF VERSION 5 SET a = 1", "AS OF can't be used here"),
        ("DESCRIBE t AS OF VERSION 5", "AS OF can't be used here"),
    ],
)
def test_what_is_no_past_of_a_table_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse(text)
