"""Who calls, as words of SQL: written out where they are values, left alone everywhere else."""

from __future__ import annotations

import pytest

from flight_server.access.principal import Principal
from flight_server.access.sessions.sessions import Sessions
from flight_server.parser.read_text import read_statement
from flight_server.parser.text.sql_text import SqlText
from flight_server.sql.context.session_functions import words_of
from storage.catalog.users import Role
from storage.clock import ManualClock

ANN, ROOT = Principal("o'ann", Role.USER), Principal("root", Role.DBA)


def written(text: str, *, acting: bool = False) -> str:
    session = Sessions(ManualClock(), 10.0).enter("s", ANN)
    if acting:
        session.acting_for = ROOT
    return read_statement(SqlText(text), lambda: words_of(session))[1]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT current_user", "SELECT 'o''ann' AS \"current_user\""),
        ("SELECT Current_User(), 1", "SELECT 'o''ann' AS \"current_user\", 1"),
        ("SELECT DISTINCT current_role FROM t", "SELECT DISTINCT 'user' AS \"current_role\" FROM t"),
        ("SELECT current_user AS me, current_user me", "SELECT 'o''ann' AS me, 'o''ann' me"),
        ("SELECT upper(current_user)", "SELECT upper('o''ann')"),
        ("SELECT f(1, current_user, 2)", "SELECT f(1, 'o''ann', 2)"),
        ("SELECT 1 FROM t WHERE a = current_user", "SELECT 1 FROM t WHERE a = 'o''ann'"),
        ("SELECT 1 FROM t WHERE a IN ('x', current_user)", "SELECT 1 FROM t WHERE a IN ('x', 'o''ann')"),
        ("SELECT (SELECT session_user)", "SELECT (SELECT 'o''ann' AS \"session_user\")"),
        ("SELECT 1 FROM t ORDER BY a, current_user", "SELECT 1 FROM t ORDER BY a, 'o''ann'"),
        ("INSERT INTO t VALUES (1, current_user)", "INSERT INTO t VALUES (1, 'o''ann')"),
        ("SELECT current_schema", "SELECT 'public' AS \"current_schema\""),
        (
            "SELECT pg_catalog.current_schema() FETCH FIRST ROW ONLY",
            "SELECT 'public' AS \"current_schema\" FETCH FIRST ROW ONLY",
        ),
        (
            "SELECT current_database(), current_catalog",
            "SELECT 'frostline' AS \"current_database\", 'frostline' AS \"current_catalog\"",
        ),
        (
            "SELECT user, database(), schema()",
            "SELECT 'o''ann' AS \"user\", 'frostline' AS \"database\", 'public' AS \"schema\"",
        ),
        ("SELECT user() FROM t WHERE user = ?", "SELECT 'o''ann' AS \"user\" FROM t WHERE user = ?"),
        ("INSERT INTO t (a) VALUES (user)", "INSERT INTO t (a) VALUES ('o''ann')"),
        ("UPDATE t SET a = current_user WHERE b = ?", "UPDATE t SET a = 'o''ann' WHERE b = ?"),
    ],
)
def test_the_words_are_written_out_as_strings(text: str, wanted: str):
    assert written(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SELECT t.current_user FROM t",
        "SELECT \"current_user\", 'current_user' FROM t",
        "SELECT 1 AS current_user",
        "SELECT user FROM t",
        "INSERT INTO user VALUES (1)",
        "INSERT INTO t (user) VALUES (1) ON CONFLICT (user) DO NOTHING RETURNING user",
        "UPDATE user SET user = 1 WHERE user = 2",
        "WITH user (user) AS (VALUES (1)) TABLE user",
        "SELECT version, schema, database FROM t",
        "SELECT t.user(), version(1) FROM t",
        "SELECT 1 -- current_user",
        "CREATE TABLE t (a VARCHAR DEFAULT current_user)",
        "CREATE VIEW v AS SELECT current_user",
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT current_user",
    ],
)
def test_names_texts_and_definitions_are_left_alone(text: str):
    assert written(text) == text


def test_who_acts_for_another_is_told_apart_from_them():
    assert written("VALUES (current_user, session_user)", acting=True) == "VALUES ('o''ann', 'root')"
