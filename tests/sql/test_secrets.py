"""Texts that are kept or shown have no secrets in them, however they are mistyped."""

from __future__ import annotations

from random import Random

import pytest

from flight_server.parser.grammar.statement import parse_statement
from flight_server.parser.text.redaction import HIDDEN, UNREADABLE, without_secrets
from flight_server.parser.text.sql_text import SqlText, split_statements
from storage.errors import FrostlineError
from tests.sql.secret_texts import QUOTES, SECRET, TEXTS, is_the_name, mistyped


def refusal(text: str) -> str:
    """What the parser says of it."""
    try:
        for statement in split_statements(SqlText(text)):
            parse_statement(statement)
    except FrostlineError as error:
        return error.message
    return ""


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("quoted", QUOTES)
def test_no_slip_of_the_finger_shows_a_secret(text: str, quoted: str):
    random = Random(text + quoted)
    for _ in range(40):
        slipped = mistyped(random, text)
        if is_the_name(slipped) and not slipped.startswith("@"):
            continue
        written = slipped.replace("@", quoted)
        assert SECRET not in without_secrets(written), written
        assert SECRET not in refusal(written), written


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("quoted", QUOTES)
def test_nor_does_the_right_text(text: str, quoted: str):
    assert SECRET not in without_secrets(text.replace("@", quoted))


@pytest.mark.parametrize("option", ["PASWORD", "PASSWD", "PWD", "PW", "SECRET", "IDENTIFIED BY", "TOKEN", "KEY", ""])
@pytest.mark.parametrize("head", ["ALTER USER 'ann'", "CREATE USER ann", "ATLER USER 'ann'", "CRAETE STORAGE 'ann'"])
def test_bare_secrets_behind_a_mistyped_word(head: str, option: str):
    shown = without_secrets(f"{head} {option} {SECRET}")
    assert SECRET not in shown
    assert "ann" in shown


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM x WHERE uri = 's3://key:{SECRET}@b/p'",
        f"CREATE STORAGE a TYPE 's3' URI 's3://key:{SECRET}@b/p'",
        f"CREATE TABLE t (a INT) WITH (secret_key = '{SECRET}')",
        f"CREATE TABLE t (a INT) WITH (api_key = '{SECRET}', retention = '1d')",
        f"CREATE TABLE t (a INT) WITH (\"Auth-Token\" = '{SECRET}')",
        f"ALTER TABLE t SET (signature = '{SECRET}')",
        f"SET secret_token = '{SECRET}'",
        f"SET session_token TO '{SECRET}'",
        f"SET anything = '{SECRET}'",
        f"UPDATE x SET password = '{SECRET}' WHERE id = 1",
        f'INSERT INTO x VALUES (\'{{"secret_key": "{SECRET}"}}\')',
        f"SELECT 'https://b/p?X-Amz-Signature={SECRET}&x=1'",
        f"SELECT 1 ALTER USER ann PASWORD '{SECRET}'",
        f"ALTER USER 'ann' PASSWORD 'x' -- was {SECRET}",
        f"-- {SECRET}\nALTER USER 'ann' PASSWORD 'x'",
        f"USE 'ann' '{SECRET}'",
        f"'{SECRET}' ALTER USER 'ann' PASSWORD",
        f"FOO '{SECRET}'",
        f"ALTRE 'ann' '{SECRET}",
        f"SELECT 1; ATLER USR ann PASWORD '{SECRET}",
        f"ALTER USER 'ann' PASSWORD \u2018{SECRET}\u2019",
        f"ALTER USER 'ann' PASWORD \u2018{SECRET}\u2019",
        f"ALTER USER 'ann' PASWORD \\u0027{SECRET}\\u0027",
        f"ALTER USER 'ann' PASSWORD E'\\u0041{SECRET}'",
        f"EXECUTE AS USER 'x' (ATLER USER ann PASWORD '{SECRET}')",
        f"EXCUTE AS USER 'x' (ALTER USER ann '{SECRET}')",
    ],
)
def test_secrets_in_other_places(sql: str):
    assert SECRET not in without_secrets(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'x'",
        "SELECT 'x'; SELECT 'y' -- why",
        "SELECT * FROM orders WHERE key = 'a' AND user = 'b'",
        "WITH a AS (SELECT 'x' AS token) SELECT * FROM a",
        "INSERT INTO t VALUES ('x', 'a@b')",
        "CREATE TABLE t (a TEXT DEFAULT 'x') WITH (retention = '7d')",
        "CREATE USER TABLE t (a TEXT DEFAULT 'x')",
        "CREATE OR REPLACE VIEW v AS SELECT 'x' AS a",
        "CREATE USER u EMAIL 'a@b'",
        "CREATE USER u WITH PASSWORD $1 ROLE dba",
        "CREATE STORAGE a TYPE 's3' URI 's3://bucket' REGION 'eu' DESCRIPTION 'mine'",
        "DROP USER 'u'",
        "GRANT SELECT ON t TO 'ann', 'bob'",
        "SET time_zone = 'Europe/Berlin'",
        "EXPLAIN SELECT 'x'",
        "(SELECT 'x')",
        "EXECUTE AS USER 'ann' (SELECT 'x')",
        "COMMENT ON TABLE t IS 'x'",
        "KILL QUERY 'a-1'",
        "BACKUP DATABASE TO 'x'",
        "USE shop",
    ],
)
def test_what_is_no_secret_stays(sql: str):
    assert without_secrets(sql) == sql


def test_what_is_hidden_is_told():
    assert without_secrets("ALTER USER 'u' PASSWORD 'x'; SELECT 'y'") == f"ALTER USER 'u' PASSWORD {HIDDEN}; SELECT 'y'"
    assert without_secrets("ALTER USER 'u' PASSWORD 'x") == UNREADABLE
    assert without_secrets("ALTER USER 'u' PASWORD 'x' ROLE dba") == f"ALTER USER 'u' {HIDDEN} {HIDDEN} ROLE dba"


def test_of_a_long_text_only_the_beginning_is_kept():
    shown = without_secrets(f"ALTER USER 'ann' PASWORD '{SECRET}' {'x ' * 100_000} '{SECRET}'")
    assert SECRET not in shown
    assert len(shown) < 100_000
